"""What may be the name of a class, and when two names are too alike to be two classes."""

import unicodedata
from collections.abc import Iterable

from binocular.errors import InvalidLabelError

LONGEST_LABEL = 100
# Control characters, lone surrogates, and the separators that break a line in a log or a report.
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
SHOWN = 60


def check_label(label: str) -> str:
    """The label in NFC, so that equal names have equal bytes; InvalidLabelError says which rule it breaks."""
    label = unicodedata.normalize("NFC", label)
    if fault := _fault(label):
        raise InvalidLabelError(f"class name {label[:SHOWN]!r} {fault}; rename the class")
    return label


def _fault(label: str) -> str | None:
    """The first rule that a label breaks."""
    if not 0 < len(label) <= LONGEST_LABEL:
        return f"must have 1 to {LONGEST_LABEL} characters, has {len(label)}"
    if any(unicodedata.category(character) in FORBIDDEN_CATEGORIES for character in label):
        return "must not hold control characters or line breaks"
    if label != label.strip():
        return "must not begin or end with a blank"
    if "/" in label or "\\" in label:
        return "must not hold '/' or a backslash"
    if label in {".", ".."}:
        return "means a folder, not a class"
    return None


def alike(label: str) -> str:
    """The same value for names that differ only by case or by how Unicode spells them."""
    folded = unicodedata.normalize("NFC", label).casefold()
    return unicodedata.normalize("NFC", folded)


def find_alike(labels: Iterable[str]) -> tuple[str, str] | None:
    """The first two different names that are too alike to be two classes."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(alike(label), label)
        if other != label:
            return other, label
    return None
