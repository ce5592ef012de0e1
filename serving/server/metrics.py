"""What Prometheus sees: TensorFlow Serving's metrics under its names, and the state of each version under ours."""

from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from binocular.wire.codes import StatusCode
from serving.server.models import Models
from serving.server.servable import State

# As in the original: 10 µs to some 20 minutes.
_MICROS = [10 * 1.8**step for step in range(32)]
# A client may ask for any name; each new one would otherwise be a time series for ever.
UNKNOWN_MODEL = "(unknown)"
_SECOND = 1e6


class Metrics:
    """The metrics of one server."""

    def __init__(self, models: Models) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._models = models
        self._registry = CollectorRegistry()
        requests = Counter(
            ":tensorflow:serving:request_count",
            "The total number of requests.",
            ["model_name", "status"],
            registry=self._registry,
        )
        latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Wall time of a request, in microseconds.",
            ["model_name", "API", "entrypoint"],
            buckets=_MICROS,
            registry=self._registry,
        )
        runtime = Histogram(
            ":tensorflow:serving:runtime_latency",
            "Wall time of the model, in microseconds.",
            ["model_name", "API", "runtime"],
            buckets=_MICROS,
            registry=self._registry,
        )
        self._warmup = Histogram(
            ":tensorflow:serving:model_warmup_latency",
            "Wall time of a version's warm-up, in microseconds.",
            ["model_path", "status"],
            buckets=_MICROS,
            registry=self._registry,
        )
        self._registry.register(_Versions(models))
        # The time series of labels, looked up once: prometheus_client's own look-up costs as much as counting.
        self._requests, self._latency = cache(requests.labels), cache(latency.labels)
        self._runtime = cache(runtime.labels)

    def request(self, model: str, api: str, entrypoint: str, code: StatusCode, seconds: float) -> None:
        """A request was answered."""
        known = model if model in self._models else UNKNOWN_MODEL
        self._requests(known, code.name).inc()
        if code is StatusCode.OK:
            self._latency(known, api, entrypoint).observe(seconds * _SECOND)

    def run(self, model: str, engine: str, seconds: float) -> None:
        """An engine ran."""
        self._runtime(model, "Predict", engine).observe(seconds * _SECOND)

    def warmup(self, path: str, code: StatusCode, seconds: float) -> None:
        """A version was warmed up, or failed to be."""
        self._warmup.labels(path, code.name).observe(seconds * _SECOND)

    def page(self) -> bytes:
        """The metrics as text.

        prometheus_client's own writer puts `_total` behind the name of a counter; the original does not.
        """
        lines: list[str] = []
        for metric in self._registry.collect():
            lines += [f"# HELP {metric.name} {metric.documentation}", f"# TYPE {metric.name} {metric.type}"]
            for sample in metric.samples:
                name = metric.name if metric.type == "counter" else sample.name
                labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels.items())
                lines.append(f"{name}{{{labels}}} {sample.value!r}")
        return ("\n".join(lines) + "\n").encode()


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class _Versions(Collector):
    """The state of each version, read when it is asked for."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        """A gauge that is 1 for the state that a version is in, and one for those that failed."""
        states = GaugeMetricFamily(
            "binocular_model_version_state",
            "1 for the state of a version.",
            labels=["model_name", "version", "state"],
        )
        failed = GaugeMetricFamily(
            "binocular_model_version_failed",
            "1 for a version that does not load; code and reason say why.",
            labels=["model_name", "version", "code", "reason"],
        )
        for servable in self._models.every():
            name, version = servable.model, str(servable.version)
            if servable.state is State.END and servable.code is StatusCode.OK:
                continue  # long gone; there would be more and more of them
            states.add_metric([name, version, servable.state.name], 1)
            if servable.code is not StatusCode.OK and servable.state in (State.LOADING, State.END):
                failed.add_metric([name, version, servable.code.name, servable.message[:200]], 1)
        yield states
        yield failed
