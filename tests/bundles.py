"""Facts about versions, for what looks at nothing else of them."""

from typing import Any

from binocular.bundle import Bundle


def facts(**told: Any) -> Bundle:
    """The facts about a small model of two classes; what is told takes the place of what is not."""
    given = {
        "classes": ("a", "b"),
        "height": 96,
        "width": 96,
        "created": "2026-11-21T00:00:00+00:00",
        "snapshot": None,
        "counts": {},
        "architecture": "small_cnn",
        "weights": "none",
        "recipe": {},
        "chosen": (),
        "metrics": {"accuracy": 0.9},
        "champion": None,
        "energy": None,
    }
    return Bundle(**{**given, **told})
