"""Which models are served: TensorFlow Serving's ModelServerConfig, checked and turned into values."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from google.protobuf import text_format

from binocular.errors import SettingError
from binocular.wire import messages
from serving.server.status import ServingError, invalid
from serving.versions import versions_in

PLATFORM = "tensorflow"

M = TypeVar("M")


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions in a folder are served."""

    kind: Literal["latest", "all", "specific"] = "latest"
    count: int = 1
    versions: frozenset[int] = frozenset()

    def choose(self, present: Iterable[int]) -> set[int]:
        """Those of the present versions that are to be served."""
        if self.kind == "all":
            return set(present)
        if self.kind == "specific":
            return set(present) & self.versions
        return set(sorted(present)[-self.count :])


@dataclass(frozen=True)
class ModelConfig:
    """One model: its name, the folder of its versions, which of them, and names for them."""

    name: str
    base_path: Path
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = field(default_factory=dict)

    def aspired(self) -> dict[int, Path]:
        """The versions to serve, of those that are there. OSError where the folder cannot be read."""
        present = versions_in(self.base_path)
        return {version: present[version] for version in self.policy.choose(present)}


def parse_file(path: Path, message: type[M]) -> M:
    """A text-format file as a message; SettingError says where it is wrong."""
    name = message.DESCRIPTOR.full_name  # type: ignore[attr-defined]
    try:
        parsed: M = text_format.Parse(path.read_text(), message())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: Error parsing text-format {name}: {error}") from None
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}; it should hold a {name}") from None
    return parsed


def read_file(path: Path) -> list[ModelConfig]:
    """The models that a configuration file lists."""
    config = parse_file(path, messages.ModelServerConfig)
    try:
        return models_of(config)
    except ServingError as error:
        raise SettingError(f"{path}: {error}") from None


def models_of(config: Any) -> list[ModelConfig]:  # noqa: ANN401 - a message
    """The models that a ModelServerConfig lists; INVALID_ARGUMENT where it cannot be served."""
    if config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    models: dict[str, ModelConfig] = {}
    for listed in config.model_config_list.config:
        if listed.name in models:
            raise invalid(f"Illegal to list model {listed.name} multiple times in config list")
        models[listed.name] = _model(listed)
    return list(models.values())


def _model(listed: Any) -> ModelConfig:  # noqa: ANN401 - a message
    if not listed.name:
        raise invalid("a model in the config list has no name")
    # As in the original, the deprecated model_type TENSORFLOW says the same as the platform.
    platform = listed.model_platform or PLATFORM
    if platform != PLATFORM:
        raise invalid(f"Model {listed.name} requests unsupported platform {platform}")
    base = listed.base_path
    if re.match(r"[a-z][a-z0-9+.-]*://", base) or not base.startswith("/") or "\0" in base:
        raise invalid(
            f"Expected model {listed.name} to have an absolute path or URI; got base_path()={base}"
            + (" (this server reads local folders only)" if "://" in base else "")
        )
    return ModelConfig(listed.name, Path(base), _policy(listed), dict(listed.version_labels))


def _policy(listed: Any) -> VersionPolicy:  # noqa: ANN401 - a message
    policy = listed.model_version_policy
    chosen = policy.WhichOneof("policy_choice")
    if chosen == "all":
        return VersionPolicy("all")
    if chosen == "specific":
        if not policy.specific.versions:
            raise invalid(f"Model {listed.name}: a specific version policy names no version")
        return VersionPolicy("specific", versions=frozenset(policy.specific.versions))
    return VersionPolicy("latest", count=max(1, policy.latest.num_versions))
