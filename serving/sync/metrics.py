"""What Prometheus sees of a puller."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Summary, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from serving.sync.following import Status


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._failures = Counter(
            "binocular_puller_failures",
            "Failed attempts, by reason.",
            ["model", "reason"],
            registry=self._registry,
        )
        self._bytes = Counter(
            "binocular_puller_download_bytes", "Bytes of versions downloaded.", ["model"], registry=self._registry
        )
        self._seconds = Summary(
            "binocular_puller_download_seconds", "Time to download a version.", ["model"], registry=self._registry
        )

    def watch(self, statuses: Callable[[], Sequence["Status"]]) -> None:
        """Show how it stands with each model, read when somebody asks."""
        self._registry.register(_Standing(statuses))

    def failed(self, model: str, reason: str) -> None:
        """Something did not work."""
        self._failures.labels(model, reason).inc()

    def downloaded(self, model: str, size: int, seconds: float) -> None:
        """A version was downloaded."""
        self._bytes.labels(model).inc(size)
        self._seconds.labels(model).observe(seconds)

    def page(self) -> bytes:
        """The metrics as text."""
        return generate_latest(self._registry)


class _Standing(Collector):
    """Gauges of what is offered, wanted and wrong."""

    def __init__(self, statuses: Callable[[], Sequence["Status"]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        """One sample a model; 0 stands for no version."""
        offered = _gauge("version_offered", "The version that a model server sees as the newest; 0: none.")
        wanted = _gauge("version_wanted", "The version in production, as far as is known; 0: none.")
        synced = _gauge(
            "last_sync_timestamp_seconds", "When the folder last held what is in production; 0: never."
        )
        problem = _gauge("problem", "1 while something is wrong.", "reason")
        for status in self._statuses():
            offered.add_metric([status.model], status.offered or 0)
            wanted.add_metric([status.model], status.wanted or 0)
            synced.add_metric([status.model], status.synced or 0)
            if status.reason:
                problem.add_metric([status.model, status.reason], 1)
        yield from (offered, wanted, synced, problem)


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"binocular_puller_{name}", meaning, labels=["model", *labels])
