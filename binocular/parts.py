"""The processes that make up Binocular on one machine. A part that comes later joins by an entry in `parts`."""

import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import urllib3

from binocular import embedded
from binocular.errors import ProcessError
from binocular.settings import Settings, as_environment, variable
from binocular.store import connect

# A readiness probe must answer fast: it is asked again and again.
PROBE_S = 1.0
PIPELINES_HEALTH = "/apis/v2beta1/healthz"
GATEWAY_TOKEN = "gateway-token"  # noqa: S105 - the name of a file


@dataclass(frozen=True)
class Part:
    """One supervised process."""

    name: str
    command: list[str]
    folder: Path  # its working directory
    ports: list[int]
    port_setting: str  # what to change where a port is taken
    url: str
    ready: Callable[[], object]  # raises a BinocularError or an OSError until the part does its work
    environment: Mapping[str, str] = field(default_factory=dict)


def parts(settings: Settings) -> list[Part]:
    """Every part that the settings ask for, in the order of their start: each needs only those before it."""
    wanted = {
        _store: settings.store_url,
        _pipelines: settings.kfp_url,
        _puller: settings.model_address,
        _model: settings.model_address,
    }
    return [*(part(settings) for part, elsewhere in wanted.items() if not elsewhere), _gateway(settings)]


def _store(settings: Settings) -> Part:
    """The embedded object store; ready once it lets us in and has our bucket."""
    probe = settings.model_copy(update={"store_timeout_s": PROBE_S, "store_deadline_s": PROBE_S})
    data = embedded.folder(settings) / "data"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Part(
        name="store",
        command=embedded.command(settings),
        folder=data.parent,
        ports=embedded.ports(settings),
        port_setting=variable("store_port"),
        url=embedded.url(settings),
        ready=connect(probe).ensure_bucket,
        environment=embedded.environment(settings),
    )


def _pipelines(settings: Settings) -> Part:
    """The embedded pipelines API; ready once it answers."""
    folder = settings.home / "pipelines"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Part(
        name="pipelines",
        command=[sys.executable, "-m", "pipeline.local"],  # started by name: this library imports no part
        folder=folder,
        ports=[settings.kfp_port],
        port_setting=variable("kfp_port"),
        url=pipelines_url(settings),
        ready=lambda: _answers(f"{pipelines_url(settings)}{PIPELINES_HEALTH}"),
        # kfp then leaves out its client and compiler, which the server does not use: half its time to start.
        environment={**as_environment(settings), "_KFP_RUNTIME": "true"},
    )


def _gateway(settings: Settings) -> Part:
    """The REST API; ready once it answers, also before there is a model: it takes images and starts trainings."""
    folder = gateway_folder(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = gateway_url(settings)
    return Part(
        name="gateway",
        command=[sys.executable, "-m", "gateway"],  # started by name: this library imports no part
        folder=folder,
        ports=[settings.gateway_port],
        port_setting=variable("gateway_port"),
        url=url,
        ready=lambda: _answers(f"{url}/healthz"),
        environment=as_environment(settings),
    )


def gateway_folder(settings: Settings) -> Path:
    """What the gateway keeps on its machine."""
    return settings.home / "gateway"


def gateway_url(settings: Settings) -> str:
    """Where this machine reaches its gateway."""
    host = "127.0.0.1" if settings.gateway_host in {"0.0.0.0", "::"} else settings.gateway_host  # noqa: S104
    return f"http://{host}:{settings.gateway_port}"


def gateway_token(settings: Settings) -> str:
    """The token that the gateway asks for; made on first use where none is set."""
    if given := settings.gateway_token.get_secret_value():
        return given
    path = settings.home / GATEWAY_TOKEN
    embedded.write_once(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


def pipelines_url(settings: Settings) -> str:
    """The pipelines API: the one that is named, or the embedded one."""
    return settings.kfp_url or f"http://127.0.0.1:{settings.kfp_port}"


def _puller(settings: Settings) -> Part:
    """What brings the version in production to the model server's folder; ready also before there is one."""
    url = f"http://127.0.0.1:{settings.puller_port}"
    return Part(
        name="puller",
        command=[sys.executable, "-m", "serving.sync"],
        folder=Path.cwd(),
        ports=[settings.puller_port],
        port_setting=variable("puller_port"),
        url=url,
        ready=lambda: _answers(f"{url}/healthz"),
        environment=as_environment(settings),
    )


def _model(settings: Settings) -> Part:
    """The model server; before there is a version it waits for the first, which is all it can do."""
    versions = served_folder(settings) / settings.model_name
    versions.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{settings.model_rest_port}"

    def ready() -> None:
        if any(path.name.isdecimal() for path in versions.iterdir()):
            _answers(f"{url}/v1/models/{settings.model_name}")

    return Part(
        name="model",
        command=[
            sys.executable,
            *("-m", "serving.server"),
            f"--port={settings.model_port}",
            f"--rest_api_port={settings.model_rest_port}",
            f"--model_name={settings.model_name}",
            f"--model_base_path={versions}",
            "--file_system_poll_wait_seconds=1",
        ],
        folder=versions,
        ports=[settings.model_port, settings.model_rest_port],
        port_setting=variable("model_port"),
        url=url,
        ready=ready,
        environment=as_environment(settings),
    )


def served_folder(settings: Settings) -> Path:
    """The folder that holds a folder with versions for each model that is served here."""
    return settings.puller_folder or settings.home / "served"


def model_address(settings: Settings) -> str:
    """The model server's gRPC: the one that is named, or this machine's."""
    return settings.model_address or f"127.0.0.1:{settings.model_port}"


def _answers(url: str) -> None:
    """Return if the address answers well; ProcessError if it does not."""
    try:
        # A connection that stayed open would hold up the part's end: it waits for what may still come on it.
        headers = {"Connection": "close"}
        answer = urllib3.request("GET", url, headers=headers, timeout=PROBE_S, retries=False)
    except urllib3.exceptions.HTTPError as error:
        raise ProcessError(f"{url} does not answer: {error}") from None
    if answer.status != HTTPStatus.OK:
        raise ProcessError(f"{url} answers {answer.status}")
