"""What happened during a run, request by request."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["answered", "turned away", "failed"]
# Stands behind the name of a request that was turned away, in Locust's own tables.
AWAY = "(turned away)"
# What limits on time are about.
PREDICTION = "predict"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: when it was over, what it asked, how it ended and what it took."""

    at: float
    name: str
    kind: Kind
    ms: float
    why: str = ""


class Record:
    """Everything since the run began, on a clock of its own."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.users: list[tuple[float, int]] = []
        self._began = time.perf_counter()

    def begin(self) -> None:
        """Now is zero."""
        self._began = time.perf_counter()
        self.asked.clear()
        self.users.clear()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    def add(self, name: str, ms: float, error: object) -> None:
        """A request is over; Locust names it and knows what went wrong."""
        kind: Kind = "failed" if error else "turned away" if name.endswith(AWAY) else "answered"
        self.asked.append(Asked(self.now(), name, kind, ms, str(error or "")[:200]))

    def between(self, start: float, end: float) -> list[Asked]:
        """The requests that were over in this time."""
        return [each for each in self.asked if start <= each.at < end]


def share(asked: Sequence[Asked], kind: Kind) -> float:
    """How many of the requests ended so, as a share."""
    return sum(each.kind == kind for each in asked) / len(asked) if asked else 0.0


def prediction_times(asked: Iterable[Asked]) -> list[float]:
    """Milliseconds of the predictions that were answered, the shortest first."""
    return sorted(each.ms for each in asked if each.kind == "answered" and each.name.startswith(PREDICTION))


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which this share lies; not a number where there is none."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


def reasons(asked: Iterable[Asked], most: int = 3) -> str:
    """Why requests failed, the most frequent first."""
    counts = Counter(f"{each.name}: {each.why}" for each in asked if each.kind == "failed")
    return "; ".join(f"{count} x {why}" for why, count in counts.most_common(most))
