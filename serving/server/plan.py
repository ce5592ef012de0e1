"""Which version of a model to load next and which to let go: decisions, without the doing.

The rule is the original's AvailabilityPreservingPolicy: whatever changes, a model that answers keeps answering.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from binocular.wire.codes import StatusCode
from serving.server.config import ModelConfig
from serving.server.servable import Servable, State
from serving.server.status import ServingError


@dataclass
class Model:
    """What is known of one model: which versions it should have, and which it has."""

    config: ModelConfig
    aspired: dict[int, Path] = field(default_factory=dict)
    servables: dict[int, Servable] = field(default_factory=dict)
    given_up: set[int] = field(default_factory=set)  # failed, and still there: not tried again
    polled: bool = False
    labels: dict[str, int] = field(default_factory=dict)

    def available(self) -> list[int]:
        """Versions that answer, the lowest first."""
        return sorted(v for v, it in self.servables.items() if it.state is State.AVAILABLE)

    def loading(self) -> bool:
        """Whether one that is wanted is on its way. One that is wanted no more may hang without harm."""
        return any(
            it.state in (State.START, State.LOADING) and v in self.aspired for v, it in self.servables.items()
        )

    def missing(self) -> list[int]:
        """Versions to load."""
        present = {v for v, it in self.servables.items() if it.alive}
        return sorted(v for v in self.aspired if v not in present and v not in self.given_up)

    def superfluous(self) -> int | None:
        """The version to let go now, if any: never the last one that answers while another should."""
        available = self.available()
        unwanted = [v for v in available if v not in self.aspired]
        safe = not self.aspired or len(unwanted) > 1 or any(v in self.aspired for v in available)
        return unwanted[0] if unwanted and safe else None

    def settled(self) -> bool:
        """Whether the first load is decided: something answers, or nothing that is there will."""
        gone = bool(self.aspired) and set(self.aspired) <= self.given_up
        return bool(self.available()) or (self.polled and gone and not self.loading())


def check_labels(config: ModelConfig, known: Model | None, *, labels_before_loading: bool) -> None:
    """A label may name a version that answers; before it does only where that is allowed and moves nothing."""
    current: Mapping[str, int] = known.labels if known else {}
    available = known.available() if known else []
    for label, version in config.labels.items():
        if version in available:
            continue
        if labels_before_loading and current.get(label, version) == version:
            continue
        raise ServingError(
            StatusCode.FAILED_PRECONDITION,
            f"Request to assign label to version {version} of model {config.name}, "
            "which is not currently available for inference",
        )
