"""`/v1/status`: how the gateway and what is behind it are, for a person."""

import time
from collections import Counter

from flask import Blueprint

from binocular.messages.status import LatencyQuantiles, RequestCount, Status, Waiting
from gateway import metrics
from gateway.calls import call
from gateway.history import PREDICT
from gateway.models import available
from gateway.services import services
from gateway.waiting import by_kind

blueprint = Blueprint("status", __name__)


@blueprint.get("/v1/status")
@call("How everything is", Status, refuses=(503,))
def status() -> Status:
    """Counts and times are of all workers since the gateway started."""
    here = services()
    production = here.versions.current()
    p50, p95, p99 = metrics.quantiles(PREDICT)
    return Status(
        uptime_s=round(time.monotonic() - here.started, 1),
        model=here.settings.model_name,
        production=production[0] if production else None,
        available=available(),
        requests=_requests(),
        predict_s=LatencyQuantiles(p50=p50, p95=p95, p99=p99),
        labels=_shares(),
        waiting=Waiting(**by_kind(here.waiting.of(production))),
    )


def _requests() -> list[RequestCount]:
    counts: Counter[tuple[str, str]] = Counter()
    for labels, value in metrics.samples("binocular_requests_total"):
        counts[labels["route"], labels["status"]] += int(value)
    return [RequestCount(route=route, status=code, count=count) for (route, code), count in sorted(counts.items())]


def _shares() -> dict[str, float]:
    counts: Counter[str] = Counter()
    for labels, value in metrics.samples("binocular_predictions_total"):
        counts[labels["label"]] += int(value)
    return {label: round(count / counts.total(), 4) for label, count in counts.most_common()}
