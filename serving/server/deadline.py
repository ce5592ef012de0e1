"""How long a caller will wait for an answer, and whether it still does."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from binocular.wire.codes import StatusCode
from serving.server.status import ServingError


def _wanted() -> bool:
    return True


@dataclass(frozen=True)
class Deadline:
    """The end of a caller's patience, on the monotonic clock; None is without end."""

    end: float | None = None
    wanted: Callable[[], bool] = _wanted

    @classmethod
    def within(cls, seconds: float | None, wanted: Callable[[], bool] = _wanted) -> "Deadline":
        """A deadline this many seconds from now."""
        return cls(None if seconds is None else time.monotonic() + seconds, wanted)

    def remaining(self) -> float | None:
        """Seconds left, not below 0; None is without end."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def check(self) -> None:
        """Raise where nobody waits for the answer any more."""
        if self.end is not None and time.monotonic() >= self.end:
            raise ServingError(StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the model could run")
        if not self.wanted():
            raise ServingError(StatusCode.CANCELLED, "the caller went away before the model could run")
