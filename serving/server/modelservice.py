"""GetModelStatus and HandleReloadConfigRequest."""

from typing import Any

from binocular.wire.codes import StatusCode
from binocular.wire.messages import GetModelStatusResponse, ReloadConfigResponse
from serving.server import config
from serving.server.deadline import Deadline
from serving.server.models import Models
from serving.server.servable import Servable
from serving.server.status import ServingError, invalid


def status(models: Models, request: Any) -> Any:  # noqa: ANN401 - messages
    """The answer to a GetModelStatusRequest: each version's state, the highest first. A label is ignored."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    spec = request.model_spec
    version = spec.version.value if spec.WhichOneof("version_choice") == "version" else None
    response = GetModelStatusResponse()
    for servable in models.versions(spec.name, version):
        entry = response.model_version_status.add(version=servable.version, state=servable.state.value)
        entry.status.error_code = servable.code.value
        entry.status.error_message = servable.message
    return response


def reload(models: Models, request: Any, deadline: Deadline, *, labels_before_loading: bool) -> Any:  # noqa: ANN401
    """The answer to a ReloadConfigRequest, once every model that is new answers."""
    new = models.configure(config.models_of(request.config), labels_before_loading=labels_before_loading)
    check_loaded(models.wait(new, deadline))
    return ReloadConfigResponse()


def check_loaded(failed: list[Servable]) -> None:
    """Raise where a model that was waited for did not come."""
    if failed:
        reasons = ", ".join(
            f"{{name: {it.model} version: {it.version}}} due to error: {it.message}" for it in failed
        )
        raise ServingError(
            StatusCode.UNKNOWN, f"{len(failed)} servable(s) did not become available: {{{reasons}, }}"
        )
