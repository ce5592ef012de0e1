"""A compiled pipeline: read from a file or a request, and vetted, so that what starts can also end.

    package = read(Path("pipeline.yaml").read_bytes(), "pipeline.yaml")
    package.name, package.root

`kfp` compiles a pipeline to a document of components, tasks and executors. What one machine cannot do as a
cluster does it is refused here, by name: at the upload, not in the middle of a run. What only says where a
task is placed (node selectors, tolerations, limits, pull settings, labels) is passed over.
"""

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as ir

from binocular.errors import PackageError
from pipeline.local import graph
from pipeline.local.placeholders import known, structures
from pipeline.local.values import Json, Value

LARGEST_BYTES = 32 << 20
FILE = "pipeline.yaml"
SCHEMA = "2."
DEEPEST = 200
# Kubernetes settings of a task that have a meaning on one machine …
HONOURED = {"secretAsEnv", "configMapAsEnv", "activeDeadlineSeconds"}
# … and those that say where and as whom a pod runs, which changes nothing in what it computes.
PLACEMENT = {
    "nodeSelector", "tolerations", "nodeAffinity", "podAffinity", "podMetadata", "imagePullSecret",
    "imagePullPolicy", "securityContext", "enabledSharedMemory",
}  # fmt: skip
RUN_SETTINGS_PASSED_OVER = {"resourceTtlOnCompletion", "resourceTtlOnSuccess", "resourceTtlOnFailure"}
# Images that stand for an action of the cluster's backend, not for a program.
BACKEND_IMAGES = "argostub/"
# What reading an archive ends with that is damaged, encrypted, or packed by a method that nobody uses.
ARCHIVE_FAULTS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError)


@dataclass(frozen=True)
class Package:
    """A pipeline that was vetted. `document` is what the API shows and stores."""

    document: Json
    spec: Json
    executors: dict[str, Json]
    kubernetes: dict[str, Json]

    @property
    def name(self) -> str:
        """The name it was compiled with; the first part of its artifacts' keys."""
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def root(self) -> Json:
        """The component that the run as a whole is."""
        return dict(self.spec["root"])

    @property
    def pipeline_root(self) -> str:
        """Where its author wants artifacts, or nothing."""
        return str(self.spec.get("defaultPipelineRoot", ""))

    def component(self, task: Json) -> Json:
        """The component that a task runs."""
        return dict(self.spec["components"][task["componentRef"]["name"]])

    def executor(self, component: Json) -> Json:
        """How a component that is no graph does its work."""
        return self.executors[component["executorLabel"]]

    def platform(self, component: Json) -> Json:
        """The Kubernetes settings of a component that is no graph."""
        return self.kubernetes.get(component.get("executorLabel", ""), {})


def read(data: bytes, name: str) -> Package:
    """Read a package as `kfp` writes it: .yaml, or a .zip or .tar.gz with one."""
    if len(data) > LARGEST_BYTES:
        raise PackageError(f"{name}: has {len(data)} bytes; at most {LARGEST_BYTES} are read")
    try:
        documents = _documents(_unpacked(data))
    except ARCHIVE_FAULTS as error:
        raise PackageError(f"{name}: a damaged archive, or a locked one ({error}); pack it again") from None
    if not documents or not all(isinstance(each, dict) for each in documents):
        raise PackageError(f"{name}: not a compiled pipeline; compile it with `kfp dsl compile`")
    spec, *rest = documents
    platform = {key: value for each in rest for key, value in each.items()}
    return vet({"pipeline_spec": spec, "platform_spec": platform} if platform else spec)


def vet(document: Json) -> Package:
    """Take a package as the API carries it; PackageError names what is wrong or not supported."""
    two = "pipeline_spec" in document
    spec_json = document["pipeline_spec"] if two else document
    try:
        spec = _canonical(spec_json, ir.PipelineSpec(), "pipeline_spec")
        platform = _canonical(
            document.get("platform_spec") or {} if two else {}, ir.PlatformSpec(), "platform_spec"
        )
        deployment = _canonical(spec.get("deploymentSpec", {}), ir.PipelineDeploymentConfig(), "deploymentSpec")
        package = Package(document, spec, deployment.get("executors", {}), _kubernetes(platform))
        _vet_spec(package)
        for label, executor in package.executors.items():
            _vet_executor(label, executor)
        graph.vet(spec, package.executors)
    except RecursionError:
        raise PackageError("the pipeline is nested too deeply") from None
    return package


def _unpacked(data: bytes) -> bytes:
    """The pipeline's file, out of its archive if it is in one; never more bytes than we read."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as packed, packed.open(_choose(packed.namelist())) as member:
            return _limited(member.read(LARGEST_BYTES + 1))
    if data.startswith(b"\x1f\x8b"):
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            chosen = archive.extractfile(_choose([each.name for each in archive if each.isfile()]))
            return _limited(chosen.read(LARGEST_BYTES + 1)) if chosen else b""
    return data


def _choose(names: list[str]) -> str:
    found = [name for name in names if name.endswith((".yaml", ".yml"))]
    if FILE in found or len(found) == 1:
        return FILE if FILE in found else found[0]
    raise PackageError(f"the archive must hold {FILE}, or one .yaml; it holds {len(found)}")


def _limited(data: bytes) -> bytes:
    if len(data) > LARGEST_BYTES:
        raise PackageError(f"the archive holds a pipeline of more than {LARGEST_BYTES} bytes")
    return data


def _documents(data: bytes) -> list[Value]:
    """The documents of a YAML file, its events looked through first.

    Aliases are refused: a few lines of them can stand for more than fits in memory. So is deep nesting, which
    would overflow the loader's stack and take the process with it.
    """
    depth = 0
    try:
        for event in yaml.parse(data, yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise PackageError("the YAML uses aliases (*name), which are not read; write the value out")
            if depth > DEEPEST:
                raise PackageError(f"the YAML is nested more than {DEEPEST} deep")
        return [each for each in yaml.load_all(data, yaml.CSafeLoader) if each is not None]
    except yaml.YAMLError as error:
        raise PackageError(f"not valid YAML: {' '.join(str(error).split())[:200]}") from None
    except ValueError:
        raise PackageError("the YAML holds what no pipeline does, such as an impossible date") from None


def _canonical(value: Json, message: Value, what: str) -> Json:
    """The value as its schema writes it; PackageError for fields that the schema does not know."""
    try:
        return dict(json_format.MessageToDict(json_format.ParseDict(value, message)))
    except (json_format.ParseError, TypeError, AttributeError, ValueError) as error:
        raise PackageError(f"not a compiled pipeline: {what}: {str(error)[:300]}") from None


def _vet_spec(package: Package) -> None:
    spec = package.spec
    if not str(spec.get("schemaVersion", "")).startswith(SCHEMA):
        raise PackageError(
            f"schemaVersion {spec.get('schemaVersion')!r}; {SCHEMA}x is supported: compile with kfp 2"
        )
    if "dag" not in spec.get("root", {}):
        raise PackageError("not a compiled pipeline: root has no dag")
    if not re.fullmatch(
        r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", spec.get("pipelineInfo", {}).get("name", "")
    ):
        raise PackageError("pipelineInfo.name must be 1 to 128 letters, digits, '.', '_' or '-'")
    for label, settings in package.kubernetes.items():
        if unknown := sorted(set(settings) - HONOURED - PLACEMENT):
            raise PackageError(f"{label}: kubernetes {', '.join(unknown)} is not supported on one machine")


def _vet_executor(label: str, executor: Json) -> None:
    container, importer = executor.get("container"), executor.get("importer")
    if importer is not None and importer.get("downloadToWorkspace"):
        raise PackageError(f"{label}: importer with download_to_workspace is not supported on one machine")
    if importer is not None:
        return
    if container is None:
        raise PackageError(
            f"{label}: {', '.join(executor) or 'an empty executor'} is not supported on one machine"
        )
    if str(container.get("image", "")).startswith(BACKEND_IMAGES):
        raise PackageError(
            f"{label}: {container['image']} (an action of the cluster) is not supported on one machine"
        )
    if not container.get("command"):
        raise PackageError(
            f"{label}: names no command; the entry point of {container.get('image')} is not known here"
        )
    if "lifecycle" in container:
        raise PackageError(f"{label}: lifecycle is not supported on one machine")
    for part in [*container["command"], *container.get("args", [])]:
        for text in structures(part):
            for _ in known(text):
                pass


def _kubernetes(platform: Json) -> dict[str, Json]:
    """Each executor's Kubernetes settings; settings of the run as a whole are refused where they matter."""
    platforms = platform.get("platforms", {})
    if other := sorted(set(platforms) - {"kubernetes"}):
        raise PackageError(f"platform {', '.join(other)} is not supported on one machine")
    kubernetes = platforms.get("kubernetes", {})
    if wanted := sorted(set(kubernetes.get("pipelineConfig", {})) - RUN_SETTINGS_PASSED_OVER):
        raise PackageError(f"PipelineConfig {', '.join(wanted)} is not supported on one machine")
    executors = kubernetes.get("deploymentSpec", {}).get("executors", {})
    return {label: dict(settings) for label, settings in executors.items()}


def variables(settings: Json) -> Iterator[str]:
    """The environment variables that a cluster would fill from secrets and config maps."""
    for kind in ("secretAsEnv", "configMapAsEnv"):
        for source in settings.get(kind, []):
            yield from (pair["envVar"] for pair in source.get("keyToEnv", []) if "envVar" in pair)
