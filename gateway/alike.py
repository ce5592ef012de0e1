"""What a training is told where nobody says anything: what made the version in production.

    parameters_of_production(versions, runs, package)      # {"image_size": 224}: all that is not at its default

Whoever set a learning rate once wants it for the photos that came since. Where the photos of that run came from
does not count: the dataset holds them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from binocular.errors import NotFoundError, RequestError
from binocular.flow import Flow
from binocular.settings import variable
from gateway.versions import Versions

if TYPE_CHECKING:
    from binocular.runs import Runs

OF_THAT_RUN = frozenset({"name", "source", "sha256"})


def parameters_of_production(versions: Versions, runs: "Runs", package: Path) -> dict[str, Any]:
    """Those that are not at their defaults and that the package knows; none where nothing is in production."""
    present = versions.current()
    if present is None:
        return {}
    try:
        run = runs.get(present[1].run)
    except NotFoundError:  # somebody deleted it
        return {}
    defaults, told = parameters_of(Flow.of(runs.package(run)), run)
    known = {each.name for each in flow_of(package).parameters} - OF_THAT_RUN
    return {name: value for name, value in told.items() if name in known and value != defaults.get(name)}


def parameters_of(flow: Flow, run: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401 - kfp has no types
    """The defaults of a run's graph, and what the run was told."""
    defaults = {each.name: each.default for each in flow.parameters}
    return defaults, dict((run.runtime_config.parameters if run.runtime_config else None) or {})


def flow_of(package: Path) -> Flow:
    """The graph in a compiled package."""
    import yaml  # noqa: PLC0415 - comes with kfp, which most workers never need

    try:
        return Flow.of(next(yaml.safe_load_all(package.read_text(encoding="utf-8")), None))
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        raise RequestError(
            f"{package.name} is not a compiled pipeline; name one in {variable('gateway_package')}"
        ) from None
