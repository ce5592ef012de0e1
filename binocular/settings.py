"""Every setting, once: its name, type, default and meaning.

    settings = load()            # environment, then .env, then binocular.toml, then the defaults
    settings.store_port          # 9000
    settings.origin("store_port")  # "default"

`Settings(store_port=9100)` reads nothing from outside and is what tests use. The environment variable of
a setting is its name in capitals behind `BINOCULAR_`; in `binocular.toml` it is the name as written here.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, FilePath, PrivateAttr, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from binocular import tokens
from binocular.errors import SettingError

PREFIX = "BINOCULAR_"
DOTENV = Path(".env")
TOML = Path("binocular.toml")
# Below `home`: what was downloaded, so that one that was cut off goes on in the next run.
DOWNLOADS = "downloads"
# The embedded store also listens on its last port + 10000, which must stay below 65536.
HIGHEST_STORE_PORT = 55_000
# A model's name is part of keys, of addresses and of Kubernetes objects.
MODEL_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
# Seconds, minutes, hours, days, months, days of the week; what they hold is for the pipelines API to judge.
CRON = r"^(\S+( \S+){5})?$"
# How alike two names must be for one to be a slip of the other (difflib's ratio).
ALIKE = 0.8


@dataclass(frozen=True)
class Accepts:
    """What a setting accepts, in words, where its type and limits do not say it."""

    text: str


def _store_url(value: str) -> str:
    """Take '' or scheme://host[:port] with nothing behind it: no path, no credentials."""
    if not value:
        return value
    parts = urlsplit(value)
    plain = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0 or not plain:
        raise ValueError(value)
    return f"{parts.scheme}://{parts.netloc}"


def _kfp_url(value: str) -> str:
    """Take '' or scheme://host[:port][/path] with nothing behind it; whole Kubeflows have a path, /pipeline."""
    parts = urlsplit(value)
    root = _store_url(value.removesuffix(parts.path)) if value else ""
    return f"{root}{parts.path.rstrip('/')}"


def _bucket(value: str) -> str:
    """Take what every S3 takes as the name of a bucket."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
        raise ValueError(value)
    return value


def _tokens(value: SecretStr) -> SecretStr:
    """Take lines that name tokens and their digests."""
    try:
        tokens.parse(value.get_secret_value())
    except SettingError as error:
        raise ValueError(error) from None
    return value


def _absolute(path: Path) -> Path:
    """Fix a path to today's working directory, so that processes started elsewhere mean the same one."""
    return path.expanduser().absolute()


def _absolute_if_given(path: Path | None) -> Path | None:
    return None if path is None else _absolute(path)


File = Annotated[FilePath, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """The settings of every part; a frozen value."""

    # An empty variable counts as not set: that is how compose files and CI pass on what nobody gave.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    home: Annotated[Path, AfterValidator(_absolute)] = Path(".binocular")
    """Folder of everything that lives on this machine: data, logs, credentials."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe event that is logged."""

    log_format: Literal["text", "json"] = "text"
    """One event a line, for a person or for a machine."""

    store_url: Annotated[str, AfterValidator(_store_url), Accepts("http(s)://host:port, or nothing")] = ""
    """S3 endpoint (a MinIO, Kubeflow's store, S3), for example `https://minio.example.com`.
    Empty: the embedded store of this machine."""

    store_access_key: SecretStr = SecretStr("")
    """Access key at `BINOCULAR_STORE_URL`. The embedded store makes its own."""

    store_secret_key: SecretStr = SecretStr("")
    """Secret key at `BINOCULAR_STORE_URL`. The embedded store makes its own."""

    store_bucket: Annotated[str, AfterValidator(_bucket), Accepts("3 to 63 of a-z, 0-9, '.' and '-'")] = (
        "binocular"
    )
    """Bucket that holds datasets, models and artifacts."""

    store_region: str = Field("us-east-1", min_length=1)
    """Region that requests are signed for."""

    store_ca_file: File | None = None
    """PEM file of the authority that signed the endpoint's certificate, where the system does not know it."""

    store_timeout_s: float = Field(10, gt=0, le=600)
    """Longest silence of the store within one request, in seconds."""

    store_deadline_s: float = Field(30, gt=0, le=3600)
    """Longest time without progress before an operation on the store gives up, retries included, in seconds."""

    store_parallel: int = Field(8, ge=1, le=64)
    """Files, or parts of a file, moved to and from the store at once."""

    store_port: int = Field(9000, ge=1024, le=HIGHEST_STORE_PORT)
    """S3 port of the embedded store; it also takes the next four, and each of the five + 10000."""

    store_memory_mb: int = Field(384, ge=128, le=65536)
    """Memory that the embedded store aims to stay below, in MB."""

    kfp_url: Annotated[str, AfterValidator(_kfp_url), Accepts("http(s)://host:port, a path too, or nothing")] = ""
    """Kubeflow Pipelines to run on, for example `http://127.0.0.1:8888` of a port forwarded from a cluster.
    Empty: the embedded pipelines API of this machine."""

    kfp_token_file: Annotated[Path | None, AfterValidator(_absolute_if_given), Accepts("a path, or nothing")] = (
        None
    )
    """File with the token that `BINOCULAR_KFP_URL` asks for, such as a projected service account token of a pod.
    It is read for each request, since Kubernetes renews it."""

    kfp_namespace: str = Field("", pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")
    """Namespace whose runs are meant, where Kubeflow has several users. Empty: there is one."""

    kfp_ca_file: File | None = None
    """PEM file of the authority that signed the certificate of `BINOCULAR_KFP_URL`, where the system does not know
    it."""

    kfp_port: int = Field(8888, ge=1024, le=65535)
    """Port of the embedded pipelines API, on the loopback address."""

    kfp_parallel: int = Field(0, ge=0, le=1024)
    """Steps that the embedded pipelines API runs at once, of all runs together; 0: one for each CPU core."""

    kfp_timeout_s: float = Field(20, gt=0, le=600)
    """Longest silence of the pipelines API within one request, in seconds."""

    gateway_host: str = Field("127.0.0.1", min_length=1)
    """Address that the gateway listens on; `0.0.0.0` in a container, where others ask."""

    gateway_port: int = Field(8080, ge=1024, le=65535)
    """Port of the gateway."""

    gateway_workers: int = Field(2, ge=1, le=64)
    """Processes of the gateway; one for each CPU core that it may use."""

    gateway_threads: int = Field(16, ge=1, le=256)
    """Predictions that each process of the gateway works on at once; others wait for their turn."""

    gateway_queue_s: float = Field(1, gt=0, le=60)
    """Longest time that a prediction may wait for its turn, in seconds; one that would wait longer is refused at
    once, with 503."""

    gateway_predict_limit: int = Field(0, ge=0)
    """Requests for predictions a minute that each client may make; 0: as many as it likes. A client is a token, or
    else an address. The gateways of one machine count together, those of several pods each for itself."""

    gateway_write_limit: int = Field(0, ge=0)
    """Requests a minute that change something, for each client; 0: as many as it likes."""

    gateway_proxies: int = Field(0, ge=0, le=10)
    """Proxies in front of the gateway that say in `X-Forwarded-For` and `X-Forwarded-Proto` whom they ask for.
    Without any the headers are not believed."""

    gateway_receive_s: float = Field(60, gt=0, le=3600)
    """Longest time that a request may take to arrive, in seconds."""

    gateway_token: SecretStr = SecretStr("")
    """The administrator's token, which opens every call, sent as `Authorization: Bearer …`.
    Empty: one is made on the first start and kept in `gateway-token` in `BINOCULAR_HOME`."""

    gateway_tokens: Annotated[SecretStr, AfterValidator(_tokens), Accepts(tokens.SYNTAX)] = SecretStr("")
    """More tokens, a line or comma between them, each with a name, its scopes (`predict`, `data`, `admin`) and the
    SHA-256 of the token, never the token itself. `binocular token` makes them."""

    gateway_session_hours: int = Field(12, ge=1, le=8760)
    """Hours that a browser stays signed in to the dashboard."""

    gateway_open_predict: bool = True
    """Whether predictions are answered without a token."""

    gateway_body_mb: int = Field(20, ge=1, le=2000)
    """Largest request that the gateway takes, in MB."""

    gateway_batch_images: int = Field(64, ge=1, le=1024)
    """Most images in one request for predictions."""

    gateway_megapixels: int = Field(50, ge=1, le=89)
    """Largest image that is decoded, in megapixels."""

    gateway_deadline_s: float = Field(5, gt=0, le=120)
    """Longest time that the model gets for an answer, in seconds."""

    gateway_patience_s: float = Field(8, gt=0, le=120)
    """Longest time that a request waits for a store or a pipelines API that does not answer, in seconds."""

    gateway_confidence: float | None = Field(None, ge=0, le=1)
    """Below this confidence the answer is `unknown`, with the best guess beside it. Unset: each version has
    lines of its own, for how familiar a photo is and how sure the answer."""

    gateway_fetch_urls: bool = False
    """Whether images may be named by a web address, which the gateway fetches; never from private networks."""

    gateway_fetch_s: float = Field(10, gt=0, le=120)
    """Longest time that fetching an image may take, in seconds, redirects included."""

    gateway_keep_hours: int = Field(168, ge=0, le=8760)
    """Hours that the images of predictions are kept, so that people may correct them; 0: not at all."""

    gateway_keep_mb: int = Field(1024, ge=1)
    """Most MB that the kept images of predictions take; the oldest go first."""

    gateway_package: File | None = None
    """Compiled pipeline that a retraining runs. Empty: the one that comes with Binocular."""

    gateway_retrain_after: int = Field(0, ge=0)
    """New labelled images after which the gateway starts a training by itself, counted from the one before.
    0: never."""

    gateway_retrain_cron: Annotated[str, Field(pattern=CRON), Accepts("six fields of cron, or nothing")] = ""
    """When trainings are started at set times, for example `0 0 3 * * *` every night at three; the gateway sees to
    it as it starts. Empty: what `binocular schedule` said stays."""

    minio_binary: File | None = None
    """A `minio` server, for the object store's integration tests to run against as well.
    Empty: `minio` on PATH, or the one that `make minio` built."""

    model_name: Annotated[str, Field(pattern=MODEL_NAME), Accepts("1 to 63 of a-z, 0-9 and '-'")] = "photos"
    """The model that commands mean and that the puller follows, where none is named."""

    model_address: Annotated[
        str,
        Field(pattern=r"^([^\s/,]+:[0-9]{1,5}(,[^\s/,]+:[0-9]{1,5})*)?$"),
        Accepts("host:port, several with commas between, or nothing"),
    ] = ""
    """Where model servers speak TensorFlow Serving's gRPC; a name may stand for several. Empty: the one of this
    machine, which the puller brings the versions to."""

    model_port: int = Field(8500, ge=1024, le=65535)
    """gRPC port of this machine's model server."""

    model_rest_port: int = Field(8501, ge=1024, le=65535)
    """REST port of this machine's model server."""

    model_keep: int = Field(10, ge=1)
    """Versions that `binocular prune` leaves in the store, the newest ones; the one in production and the one
    before it stay in any case."""

    model_signing_key: File | None = None
    """PEM file with the private key, ECDSA or Ed25519, that versions are signed with when they are published.
    Empty: they are not signed."""

    model_public_keys: File | None = None
    """PEM file with one or more public keys. Given, the puller takes only versions that one of them signed."""

    puller_folder: Annotated[Path | None, AfterValidator(_absolute_if_given), Accepts("a path, or nothing")] = None
    """Folder that the puller keeps a folder with versions in for each model, and the model server reads.
    Empty: `served` in `BINOCULAR_HOME`."""

    puller_poll_s: float = Field(2, ge=0.1, le=3600)
    """How often the puller looks where production points, in seconds."""

    puller_keep: int = Field(3, ge=1)
    """Versions that the puller keeps on its disk, the newest ones; the one in production and the one before it
    stay in any case."""

    puller_grace_s: float = Field(60, ge=0, le=86400)
    """How long after a change the puller leaves the disk as it is, in seconds, before it deletes old versions."""

    puller_host: str = "127.0.0.1"
    """Address of the puller's health and metrics; `0.0.0.0` in a pod, where others ask."""

    puller_port: int = Field(8502, ge=1024, le=65535)
    """Port of the puller's health and metrics."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what the caller hands over: `load` is the one place that reads the outside."""
        return (init_settings,)

    def origin(self, name: str) -> str:
        """Where the value of a setting came from: "environment", a file's name, or "default"."""
        return self._origins.get(name, "default")

    def shown(self, name: str) -> str:
        """The value as text for people; a secret is masked."""
        value = getattr(self, name)
        if isinstance(value, SecretStr):
            return "********" if value.get_secret_value() else ""
        return "" if value is None else str(value)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load(folder: Path = Path()) -> Settings:
    """Read the environment and the folder's files; SettingError has one line for each wrong value."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, found in _sources(folder):  # the strongest first
        for name in found:
            if name not in Settings.model_fields:
                raise SettingError(f"{folder / origin}: {_unknown(name, Settings.model_fields)}")
        origins.update({name: origin for name in found if name not in values})
        values = {**found, **values}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingError("\n".join(_explain(error, values, origins))) from None
    settings._origins.update(origins)  # noqa: SLF001 - set once, here, before anybody sees the object
    return settings


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables that make a process load these settings, wherever it runs. They hold the secrets too."""
    given = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if settings.origin(name) != "default" or name == "home":
            given[variable(name)] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return given


def unknown_variables() -> list[str]:
    """Environment variables with our prefix that name no setting, each with the nearest that does.

    They are reported and not refused: Kubernetes injects such names for a Service called `binocular-…`.
    """
    known = [variable(name) for name in Settings.model_fields]
    wrong = sorted(key for key in os.environ if key.startswith(PREFIX) and key not in known)
    return [_unknown(key, known) for key in wrong]


def _sources(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each source with what it sets, the strongest first."""
    yield "environment", EnvSettingsSource(Settings)()
    try:
        dotenv = DotEnvSettingsSource(Settings, env_file=folder / DOTENV)
    except UnicodeDecodeError as error:
        raise SettingError(f"{folder / DOTENV}: not in UTF-8: {error}") from None
    ours = {name.removeprefix(PREFIX.lower()) for name in dotenv.env_vars if name.startswith(PREFIX.lower())}
    found = dotenv()
    # It may hold other programs' variables; an empty one of ours is not in `found`, a misspelt one is not a field.
    yield str(DOTENV), {n: found.get(n) for n in ours if n in found or n not in Settings.model_fields}
    try:
        yield str(TOML), TomlConfigSettingsSource(Settings, toml_file=folder / TOML)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{folder / TOML}: not valid TOML: {error}") from None


def _unknown(name: str, known: Iterable[str]) -> str:
    """Say that a name is no setting, and which it may have meant."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=ALIKE)
    return f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "")


def _explain(error: ValidationError, values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    """One line a wrong value: the variable, what came and from where, what was expected."""
    for problem in error.errors():
        name = str(problem["loc"][0])
        field = Settings.model_fields[name]
        came = "********" if field.annotation is SecretStr else repr(values.get(name))
        yield f"{variable(name)}: got {came} (from {origins.get(name, 'default')}), expected {expected(field)}"


def expected(field: FieldInfo) -> str:
    """What a setting accepts, in words."""
    kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not type(None)]
    if all(isinstance(kind, str) for kind in kinds):
        return "one of " + ", ".join(map(str, kinds))
    for rule in field.metadata:
        if isinstance(rule, Accepts):
            return rule.text
    limits = [(word, getattr(rule, name, None)) for name, word in _LIMITS.items() for rule in field.metadata]
    return " ".join([_WORDS[kinds[0]], *(f"{word} {limit:g}" for word, limit in limits if limit is not None)])


_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
    File: "the path of a file that exists",
    SecretStr: "text",
}
_LIMITS = {"gt": "above", "ge": "from", "le": "to"}
