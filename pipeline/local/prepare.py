"""From a step to a process and back: its executor input, its command, and what its outputs are afterwards.

Any container image may be named: on one machine the image is not used, only its command is, with this Python
in place of `python3`.
"""

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from binocular.errors import RequestError, TaskError
from pipeline.local.artifacts import local_path
from pipeline.local.inputs import Data
from pipeline.local.package import Package, variables
from pipeline.local.placeholders import Context, resolve, resolve_command
from pipeline.local.plan import Step
from pipeline.local.values import Json, Value, coerce, finite

OUTPUT_FILE = "executor_output.json"
EXECUTOR = "kfp.dsl.executor_main"
FROM_SOURCE = "--component_module_path"
LARGEST_OUTPUT_BYTES = 16 << 20
SHIMS = {
    "python3": "-m pipeline.local.execute",
    "python": "-m pipeline.local.execute",
    "pip": "-m pipeline.local.execute -m pip",
    "pip3": "-m pipeline.local.execute -m pip",
}


@dataclass(frozen=True)
class Prepared:
    """A process that does a step, and what it is told."""

    command: list[str]
    environment: dict[str, str]
    folder: Path
    timeout_s: float | None
    note: str  # for the log: what is different here from a cluster


def write_shims(folder: Path) -> None:
    """Put programs named python3 and pip into a folder that lead to this Python; see `execute.py`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in SHIMS.items():
        draft = folder / f".{name}"
        draft.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        draft.chmod(0o755)
        draft.replace(folder / name)


def executor_input(step: Step, uri: str, home: Path) -> Json:
    """What the executor inside the step is told: inputs, and where outputs go: the execution's URI and folder."""
    outputs = step.component.get("outputDefinitions", {})
    artifacts = {
        name: {"artifacts": [{"name": name, "type": kind["artifactType"], "uri": f"{uri}/{name}", "metadata": {}}]}
        for name, kind in outputs.get("artifacts", {}).items()
    }
    files = {name: {"outputFile": str(home / "outputs" / name)} for name in outputs.get("parameters", {})}
    defined = step.component.get("inputDefinitions", {}).get("parameters", {})
    given: Json = {"parameterValues": {k: v for k, v in step.inputs.parameters.items() if k in defined}}
    if step.inputs.artifacts:
        given["artifacts"] = {name: {"artifacts": some} for name, some in step.inputs.artifacts.items()}
    made: Json = {"outputFile": str(home / OUTPUT_FILE)}
    if files:
        made["parameters"] = files
    if artifacts:
        made["artifacts"] = artifacts
    return {"inputs": given, "outputs": made}


def prepare(
    package: Package, step: Step, told: Json, texts: Mapping[str, str], scratch: Path, components: Path
) -> Prepared:
    """The process for a step. `texts`: what placeholders tell; `components`: where kfp_config.ini lies."""
    container = package.executor(step.component)["container"]
    run_folder = Path(texts["folder"])
    texts = {**texts, "output_file": told["outputs"]["outputFile"]}
    context = Context(told, texts, lambda uri: str(local_path(run_folder, uri)))
    command = resolve_command([*container["command"], *container.get("args", [])], context)
    platform = package.platform(step.component)
    seconds = platform.get("activeDeadlineSeconds")
    # A containerised component finds its function through the configuration file beside the components.
    containerised = EXECUTOR in container["command"] and FROM_SOURCE not in command
    environment = {each["name"]: resolve(each.get("value", ""), context) for each in container.get("env", [])}
    note = f"image {container.get('image')} is not used on one machine, only its command is"
    if wanted := sorted(set(variables(platform))):
        note += f"; {', '.join(wanted)}: taken from this machine's environment, not from a cluster's secrets"
    folder = components if containerised else scratch / "work"
    return Prepared(command, environment, folder, float(seconds) if seconds else None, note)


def read_outputs(step: Step, told: Json, succeeded: bool) -> tuple[Data, dict[str, Path]]:  # noqa: FBT001
    """What a step made, and the files that go to the store. Of a failed step, whatever can be read."""
    written = _written(Path(told["outputs"]["outputFile"]), strict=succeeded)
    parameters: Json = {}
    for name, definition in step.component.get("outputDefinitions", {}).get("parameters", {}).items():
        value = written.get("parameterValues", {}).get(name)
        path = Path(told["outputs"]["parameters"][name]["outputFile"])
        try:
            if value is None and path.is_file():
                value = _text(path, f"output {name}")
            if value is not None:
                parameters[name] = coerce(value, definition["parameterType"], f"output {name}")
        except RequestError as error:
            if succeeded:
                raise TaskError(str(error)) from None
    artifacts: dict[str, list[Json]] = {}
    custom: dict[str, Path] = {}
    for name, listed in told["outputs"].get("artifacts", {}).items():
        artifact = dict(listed["artifacts"][0])
        said = written.get("artifacts", {}).get(name, {}).get("artifacts", [{}])[0]
        artifact["metadata"] = {**artifact["metadata"], **said.get("metadata", {})}
        artifact["uri"] = str(said.get("uri") or artifact["uri"])
        if not finite(artifact["metadata"]):
            if succeeded:
                raise TaskError(
                    f"artifact {name}: NaN or infinity in its metadata, which the backend cannot store"
                )
            artifact["metadata"] = {}
        if said.get("custom_path"):
            custom[name] = Path(said["custom_path"])
        artifacts[name] = [artifact]
    return Data(parameters, artifacts), custom


def _text(path: Path, name: str) -> str:
    """What a program wrote as the value of a parameter."""
    if (size := path.stat().st_size) > LARGEST_OUTPUT_BYTES:
        raise RequestError(
            f"{name}: a value of {size} bytes; at most {LARGEST_OUTPUT_BYTES} are taken: write an artifact"
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RequestError(f"{name}: its value is no text in UTF-8; write an artifact") from None


def _written(path: Path, *, strict: bool) -> Json:
    """The executor's own account of what it made; a plain container leaves none."""
    try:
        small = path.stat().st_size <= LARGEST_OUTPUT_BYTES
        written: Value = json.loads(path.read_text()) if small else None
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        written = None
    if _is_account(written):
        return dict(written)
    if strict:
        raise TaskError(
            f"the step's {OUTPUT_FILE} is no JSON object as kfp's executor writes it, of at most"
            f" {LARGEST_OUTPUT_BYTES} bytes"
        )
    return {}


def _is_account(written: Value) -> bool:
    """Whether it has the shape that kfp's executor gives it; any program may write the file."""
    if not isinstance(written, dict) or not isinstance(written.get("parameterValues", {}), dict):
        return False
    artifacts = written.get("artifacts", {})
    return isinstance(artifacts, dict) and all(map(_is_listed, artifacts.values()))


def _is_listed(artifact: Value) -> bool:
    some = artifact.get("artifacts") if isinstance(artifact, dict) else None
    first = some[0] if isinstance(some, list) and some else None
    return isinstance(first, dict) and isinstance(first.get("metadata", {}), dict)
