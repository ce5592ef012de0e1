"""`/v1/status/history` and `/v1/status/parts`: the last hour or day, and whether everything answers."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import urllib3
from flask import Blueprint

from binocular import registry
from binocular.errors import BinocularError
from binocular.messages.status import ConfidenceBin, History, HistoryPoint, HistoryQuery, Part, Parts
from binocular.parts import pipelines_url
from gateway import metrics
from gateway.calls import call, query
from gateway.history import CONFIDENCE, DOUBT, LABEL, SECONDS, Counts, Minute
from gateway.problems import meaning
from gateway.services import Services, services

blueprint = Blueprint("windows", __name__)

# Length of a window and of the spans it is shown in, in seconds.
WINDOWS = {"hour": (3600, 60), "day": (24 * 3600, 600)}
# Whoever takes longer does not answer, as far as a person is concerned.
PATIENCE_S = 3.0


@blueprint.get("/v1/status/history")
@call("Look back an hour or a day", History, query=HistoryQuery, refuses=(400,))
def history() -> History:
    """From this machine's own counters; a cluster's Prometheus knows all gateways."""
    window = query(HistoryQuery).window
    length, step = WINDOWS[window]
    ends = time.time()
    begins = ends // step * step - length + step
    minutes = services().history.since(begins)
    spans: dict[float, list[Minute]] = {}
    for minute in minutes:
        spans.setdefault(minute.at // step * step, []).append(minute)
    whole = _sum(minutes)
    p50, p95, p99 = _quantiles(whole)
    return History(
        window=window,
        step_s=step,
        begins=_time(begins),
        ends=_time(ends),
        points=[_point(at, inside) for at, inside in sorted(spans.items())],
        labels=_named(whole, LABEL),
        doubts=_named(whole, DOUBT),
        confidence=_confidence(whole),
        p50=p50,
        p95=p95,
        p99=p99,
    )


@blueprint.get("/v1/status/parts")
@call("Ask everything behind the gateway whether it answers", Parts)
def parts() -> Parts:
    """The store, the pipelines API, the model server and, on one machine, the puller; all at once."""
    here = services()
    asked: dict[str, Callable[[], str]] = {
        "store": lambda: _store(here),
        "pipelines": lambda: _knock(f"{pipelines_url(here.settings)}/apis/v2beta1/healthz"),
        "model": lambda: f"answers with version {here.model.available()[0]}",
    }
    if not here.settings.model_address:
        asked["puller"] = lambda: _knock(f"http://127.0.0.1:{here.settings.puller_port}/healthz")
    with ThreadPoolExecutor(len(asked)) as pool:
        return Parts(parts=list(pool.map(_ask, asked.items())))


def _ask(item: tuple[str, Callable[[], str]]) -> Part:
    name, ask = item
    began = time.perf_counter()
    try:
        says, answers = ask(), True
    except BinocularError as error:
        says, answers = meaning(error), False
    except (urllib3.exceptions.HTTPError, OSError):
        says, answers = "does not answer", False
    ms = round(1000 * (time.perf_counter() - began), 1)
    return Part.model_validate({"name": name, "answers": answers, "ms": ms, "says": says})


def _store(here: Services) -> str:
    present = registry.production(here.store, here.settings.model_name)
    return f"has version {present.version} in production" if present else "has no version in production yet"


def _knock(url: str) -> str:
    answer = urllib3.request("GET", url, timeout=PATIENCE_S, retries=False)
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise urllib3.exceptions.HTTPError(f"{url} answers {answer.status}")
    return "answers"


def _point(at: float, minutes: list[Minute]) -> HistoryPoint:
    counts = _sum(minutes)
    p50, p95, p99 = _quantiles(counts)

    def of(kind: str, classes: str) -> int:
        return int(sum(counts.get(f"{kind} {each}", 0) for each in classes))

    return HistoryPoint(
        at=_time(at),
        seconds=round(sum(minute.seconds for minute in minutes), 1),
        predictions=of("predict", "2345"),
        refused=of("predict", "4"),
        failed=of("predict", "5"),
        others=of("other", "2345"),
        p50=p50,
        p95=p95,
        p99=p99,
    )


def _sum(minutes: Iterable[Minute]) -> Counts:
    whole: dict[str, float] = {}
    for minute in minutes:
        for name, value in minute.counts.items():
            whole[name] = whole.get(name, 0.0) + value
    return whole


def _named(counts: Counts, kind: str) -> dict[str, int]:
    """The counts of a kind by name, the largest first."""
    return dict(Counter({name: int(count) for name, count in _of(counts, kind)}).most_common())


def _of(counts: Counts, kind: str) -> Iterator[tuple[str, float]]:
    """What was counted of a kind, by what its name says besides."""
    return ((name.removeprefix(kind), count) for name, count in counts.items() if name.startswith(kind))


def _quantiles(counts: Counts) -> list[float | None]:
    buckets = {float(bound): value for bound, value in _of(counts, SECONDS)}
    return [metrics.quantile(_filled(buckets), share) for share in metrics.SHARES]


def _filled(buckets: dict[float, float]) -> list[tuple[float, float]]:
    """Cumulative counts by bound; one that did not grow is not written down, and is as large as that before."""
    found, count = [], 0.0
    for bound in (*metrics.FAST_TO_SLOW, float("inf")):
        count = max(count, buckets.get(bound, 0.0))
        found.append((float(bound), count))
    return found


def _confidence(counts: Counts) -> list[ConfidenceBin]:
    bins, low, below = [], 0.0, 0.0
    for high in metrics.TENTHS:
        bound = "+Inf" if high == 1 else high  # the sum of an answer may be a hair above 1
        count = max(below, counts.get(f"{CONFIDENCE}{bound}", 0.0))
        bins.append(ConfidenceBin(low=low, high=high, count=int(count - below)))
        low, below = high, count
    return bins


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
