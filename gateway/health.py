"""`/healthz`, `/readyz` and `/metrics`: for whoever runs the gateway."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from binocular import registry
from binocular.messages import Alive, ModelVersion, Ready
from gateway import metrics
from gateway.calls import call
from gateway.services import services

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@call("Whether the process answers", Alive)
def healthz() -> Alive:
    """Says nothing of what is behind the gateway: a restart would not help it."""
    return Alive(status="alive")


@blueprint.get("/readyz")
@call("Whether predictions are answered", Ready, refuses=(502, 503))
def readyz() -> Ready:
    """A version of the model is AVAILABLE and the store answers."""
    here = services()
    version = here.model.available()[0]
    registry.production(here.store, here.settings.model_name)
    return Ready(status="ready", model=ModelVersion(name=here.settings.model_name, version=version))


@blueprint.get("/metrics")
def counted() -> Response:
    """What was counted, for Prometheus."""
    return Response(metrics.page(), content_type=CONTENT_TYPE_LATEST)
