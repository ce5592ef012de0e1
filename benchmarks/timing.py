"""Measuring in turns: on a machine that others use too, only ratios of neighbours in time mean something.

turns = in_turns({"the limit": limit, "Binocular": gateway}, rounds=5)
middle(turns["Binocular"], lambda turn: turn.rate)
ratio(turns["Binocular"], turns["the limit"])     # the median of the rounds' ratios
"""

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

CORES = len(os.sched_getaffinity(0))
SHOW = Console(stderr=True)


@dataclass(frozen=True)
class Turn:
    """What one contestant did in its turn."""

    count: int
    seconds: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float  # processor time of the contestant for each answer
    client_cpu_ms: float = 0.0  # and of whoever asked
    failed: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.seconds


def in_turns(contestants: Mapping[str, Callable[[], Turn]], rounds: int) -> dict[str, list[Turn]]:
    """Each contestant once a round, in one order and then in the other, so that no one is always after another."""
    turns: dict[str, list[Turn]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            turns[name].append(contestants[name]())
    return turns


def middle(turns: Sequence[Turn], value: Callable[[Turn], float]) -> float:
    """The median over the rounds."""
    return statistics.median(value(turn) for turn in turns)


def ratio(ours: Sequence[Turn], theirs: Sequence[Turn]) -> float:
    """The median over the rounds of how many answers one gave for each of the other's."""
    return statistics.median(one.rate / other.rate for one, other in zip(ours, theirs, strict=True))


def processor_s(roots: Iterable[psutil.Process]) -> float:
    """Seconds of processor time that processes and all their children have used."""
    total = 0.0
    for root in roots:
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
    return total


def quantile_ms(took: Sequence[float], part: float) -> float:
    """Of seconds, the milliseconds below which a share lies."""
    ordered = sorted(took)
    return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def machine() -> dict[str, object]:
    """Where it was measured."""
    return {
        "processor": _processor(),
        "cores": CORES,
        "load_average": round(os.getloadavg()[0], 1),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "when": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def _processor() -> str:
    """Its name, and the widest of the instructions that computing in int8 gains by."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "unknown"
    name = next(
        (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), ""
    )
    widest = next((each for each in ("avx512_vnni", "avx_vnni", "avx512f", "avx2") if f" {each} " in text), "")
    return f"{name} with {widest}" if widest else name
