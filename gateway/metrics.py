"""What is counted, for Prometheus and for `/v1/status`; of all worker processes together.

`python -m gateway` sets PROMETHEUS_MULTIPROC_DIR before anything is imported; the workers then count in files
there, and whichever of them is asked adds all of them up. Without it, as in tests, a process counts for itself.
"""

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.samples import Sample

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
FAST_TO_SLOW = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TENTHS = tuple(n / 10 for n in range(1, 11))
# Below which times these shares of the requests were answered is told.
SHARES = (0.5, 0.95, 0.99)

REQUESTS = Counter(
    "binocular_requests", "Requests by what they asked and how they ended", ["method", "route", "status"]
)
SECONDS = Histogram("binocular_request_seconds", "Time to answer a request", ["route"], buckets=FAST_TO_SLOW)
PHASES = Histogram("binocular_phase_seconds", "Time to decode, to predict", ["phase"], buckets=FAST_TO_SLOW)
BATCH = Histogram("binocular_batch_images", "Images in a request", buckets=(1, 2, 4, 8, 16, 32, 64, 128))
LABELS = Counter("binocular_predictions", "Predictions by label and version of the model", ["label", "version"])
DOUBTS = Counter("binocular_doubts", "Predictions without a label, by why and version", ["doubt", "version"])
CONFIDENCE = Histogram("binocular_confidence", "Confidence of the best guess", buckets=TENTHS)
REFUSED = Counter("binocular_refused_images", "Images that were not predicted, by reason", ["code"])
TURNED_AWAY = Counter("binocular_turned_away", "Requests that were turned away, by reason", ["reason"])
KEPT = Counter("binocular_kept_images", "Images of predictions kept for corrections, or not", ["kept"])

M = TypeVar("M", Counter, Histogram)


@lru_cache(maxsize=1024)
def of(metric: M, *labels: str | int) -> M:
    """The part of a metric that has these labels. The metric itself looks for it anew each time."""
    return metric.labels(*labels)


def registry() -> CollectorRegistry:
    """What was counted, by every worker."""
    if FOLDER not in os.environ:
        return REGISTRY
    everyone = CollectorRegistry()
    multiprocess.MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
    return everyone


def page() -> bytes:
    """The metrics in Prometheus's format."""
    return generate_latest(registry())


def every() -> Iterator[Sample]:
    """Everything that was counted."""
    for metric in registry().collect():
        yield from metric.samples


def samples(name: str) -> list[tuple[dict[str, str], float]]:
    """The labels and values of a sample."""
    return [(dict(sample.labels), sample.value) for sample in every() if sample.name == name]


def quantiles(route: str) -> list[float | None]:
    """Seconds below which the shares of a route's requests were answered, to the resolution of the buckets."""
    counts: dict[float, float] = {}
    for labels, value in samples("binocular_request_seconds_bucket"):
        if labels["route"] == route:
            counts[float(labels["le"])] = value
    return [quantile(sorted(counts.items()), share) for share in SHARES]


def quantile(counts: list[tuple[float, float]], share: float) -> float | None:
    """Of cumulative counts by bound, by straight lines between the bounds; None where nothing was counted."""
    if not counts or not counts[-1][1]:
        return None
    rank, below, bound = share * counts[-1][1], 0.0, 0.0
    for upper, count in counts:
        if count >= rank:
            if upper == float("inf"):
                return bound
            return bound + (upper - bound) * (rank - below) / ((count - below) or 1)
        below, bound = count, upper
    return bound
