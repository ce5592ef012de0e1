"""`/v1/pipeline`: what a training may be told, from the package that a training runs."""

from typing import Any

from flask import Blueprint

from binocular.flow import Parameter
from binocular.form import beside
from binocular.messages.runs import Pipeline, PipelineParameter
from binocular.scheduling import package_of
from gateway.alike import flow_of
from gateway.calls import call
from gateway.retraining import NAME
from gateway.services import services

blueprint = Blueprint("pipeline", __name__)

OTHERS = "Parameters"


@blueprint.get("/v1/pipeline")
@call("List what a training may be told", Pipeline, scope="predict", refuses=(400, 404))
def show_pipeline() -> Pipeline:
    """The parameters of the package that `/v1/retrain` runs; the name of the model is the gateway's own."""
    package = package_of(services().settings)
    flow, form = flow_of(package), beside(package)
    known = {each.name: each for each in flow.parameters if each.name != NAME}
    order = [name for name in form if name in known] + [name for name in known if name not in form]
    return Pipeline(
        name=flow.name,
        description=flow.meaning,
        parameters=[_parameter(known[name], form.get(name, {})) for name in order],
    )


def _parameter(each: Parameter, known: dict[str, Any]) -> PipelineParameter:
    told = {"name": each.name, "type": each.kind, "default": each.default, "description": each.meaning}
    return PipelineParameter.model_validate({"group": OTHERS, **known, **told})
