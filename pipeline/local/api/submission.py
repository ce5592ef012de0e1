"""What a request to create a run or a schedule says, checked before anything is written."""

from binocular.errors import RequestError
from pipeline.local import inputs
from pipeline.local.api.context import LONGEST_NAME, LONGEST_NOTE, Context, text
from pipeline.local.artifacts import root_of
from pipeline.local.package import vet
from pipeline.local.records import Row, now
from pipeline.local.values import Json, Value

SOURCE = ("pipeline_spec", "pipeline_version_reference", "pipeline_version_id")
GIVEN = ("experiment_id", "display_name", "description", "runtime_config", "service_account", *SOURCE)


def common(context: Context, given: Json) -> Row:
    """What runs and schedules have in common: experiment, names, pipeline, parameters."""
    document, reference = _source(context, given)
    config = given.get("runtime_config") or {}
    if not isinstance(config, dict) or set(config) - {"parameters", "pipeline_root"}:
        raise RequestError("runtime_config: expected parameters and pipeline_root")
    parameters = config.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise RequestError("runtime_config.parameters: expected values by name")
    package = vet(document)
    inputs.of_run(package.root, parameters)
    root = text(config, "pipeline_root")
    root_of(root or package.pipeline_root, context.bucket)
    return {
        "experiment_id": context.experiment(given.get("experiment_id"))["experiment_id"],
        "display_name": text(given, "display_name", needed=True, longest=LONGEST_NAME),
        "description": text(given, "description", longest=LONGEST_NOTE),
        "service_account": text(given, "service_account"),
        "created_at": now(),
        "document": document,
        "parameters": parameters,
        "pipeline_root": root,
        **reference,
    }


def _source(context: Context, given: Json) -> tuple[Json, Row]:
    """The pipeline to run: a package in the request, or a version that was uploaded."""
    reference: Value = given.get("pipeline_version_reference") or {}
    if not isinstance(reference, dict):
        raise RequestError("pipeline_version_reference: expected pipeline_id and pipeline_version_id")
    if given.get("pipeline_version_id"):
        reference = {"pipeline_version_id": given["pipeline_version_id"], **reference}
    spec = given.get("pipeline_spec")
    if bool(spec) == bool(reference):
        raise RequestError("name either pipeline_spec or pipeline_version_reference")
    if spec:
        if not isinstance(spec, dict):
            raise RequestError("pipeline_spec: expected the compiled pipeline as JSON")
        return spec, {"pipeline_id": None, "pipeline_version_id": None}
    version = context.version(reference)
    ids = {name: version[name] for name in ("pipeline_id", "pipeline_version_id")}
    return version["document"], ids
