"""One try at a step, from its inputs to its outputs in the store; `engine.py` decides when and how often."""

import json
import logging
import os
import secrets
import shutil
import sqlite3
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from binocular import processes
from binocular.errors import BinocularError, TaskError
from binocular.store import SCHEMES
from pipeline.local import execute, task
from pipeline.local.artifacts import LOG, LOG_TYPE, Artifacts, local_path, split
from pipeline.local.cache import fingerprint
from pipeline.local.inputs import Data, Result
from pipeline.local.package import Package
from pipeline.local.placeholders import Context, resolve
from pipeline.local.plan import Step, task_id
from pipeline.local.prepare import Prepared, executor_input, prepare, read_outputs
from pipeline.local.records import Records, now
from pipeline.local.values import Json

SHIP_LOG_EVERY_S = 2.0
LARGEST_SHIPPED_BYTES = 4 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where the steps of one run work."""

    run_id: str
    package: Package
    root: str  # of its artifacts' URIs
    texts: Mapping[str, str]  # what placeholders tell about the run
    artifacts: Artifacts
    components: Path
    shims: Path
    environment: Mapping[str, str]  # of every step, beside this process's own
    records: Records


@dataclass(frozen=True)
class Execution:
    """One execution of a step: its id, which is part of its artifacts' keys, and its process."""

    place: Place
    step: Step
    process: task.Process
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def of(cls, place: Place, step: Step) -> "Execution":
        """A new one, with a folder of its own for what it writes.

        Its name is short: programs make sockets in it, whose paths the system allows about a hundred letters.
        """
        return cls(place, step, task.Process(place.artifacts.folder / secrets.token_hex(6) / "log"))

    @property
    def uri(self) -> str:
        """Where its artifacts and its log go."""
        return f"{self.place.root}/{self.place.package.name}/{self.place.run_id}/{self.name}/{self.id}"

    @property
    def name(self) -> str:
        """The task's name; of a loop that repeats a single task, the loop's."""
        return next(part for part in reversed(self.step.path.split("/")) if not part.isdecimal())

    @property
    def log_uri(self) -> str:
        """Where its log goes."""
        return f"{self.uri}/{LOG}"

    @property
    def scratch(self) -> Path:
        """Its folder, which is removed when it has ended."""
        return self.process.log.parent

    @property
    def texts(self) -> dict[str, str]:
        """What placeholders tell about it."""
        known = {"task_name": self.name, "task_id": task_id(self.place.run_id, self.step.path)}
        return {**self.place.texts, **known, "folder": str(self.place.artifacts.folder)}


@dataclass(frozen=True)
class Outcome:
    """How a try ended. `cached_from`: the execution whose outputs these are, if it was not this one."""

    result: Result
    cached_from: str = ""


def perform(execution: Execution) -> Outcome:
    """Do the step. Everything that can go wrong is a result that says so."""
    try:
        if "importer" in execution.place.package.executor(execution.step.component):
            return Outcome(_import(execution))
        mark = fingerprint(execution.place.package, execution.step)
        if mark and (found := _cached(execution, mark)):
            return found
        result = _execute(execution)
        if mark and result.state == "SUCCEEDED":
            _remember(execution, mark, result)
        return Outcome(result)
    except BinocularError as error:
        return Outcome(Result("FAILED", error=str(error)))
    except Exception as error:
        log.exception("step not performed", extra={"run": execution.place.run_id, "step": execution.step.path})
        return Outcome(Result("FAILED", error=f"{type(error).__name__}: {error}"))
    finally:
        shutil.rmtree(execution.scratch, ignore_errors=True)


def _import(execution: Execution) -> Result:
    """An importer makes no process: its artifact is what it names."""
    step = execution.step
    importer = execution.place.package.executor(step.component)["importer"]
    where = importer["artifactUri"]
    uri = str(where["constant"] if "constant" in where else step.inputs.parameters[where["runtimeParameter"]])
    context = Context({"inputs": {"parameterValues": step.inputs.parameters}}, execution.texts)
    metadata = json.loads(
        json.dumps(importer.get("metadata", {})), object_hook=lambda each: _resolved(each, context)
    )
    name = next(iter(step.component["outputDefinitions"]["artifacts"]))
    artifact = {"name": name, "type": importer["typeSchema"], "uri": uri, "metadata": metadata}
    return Result("SUCCEEDED", Data({}, {name: [artifact]}))


def _resolved(each: Json, context: Context) -> Json:
    return {
        resolve(key, context): resolve(value, context) if isinstance(value, str) else value
        for key, value in each.items()
    }


def _cached(execution: Execution, mark: str) -> Outcome | None:
    """The outputs of an earlier execution with this fingerprint, if its artifacts are still there."""
    place = execution.place
    for row in place.records.find("cache", "fingerprint = ?", [mark]):
        kept = row["outputs"]
        if all(place.artifacts.exists(uri) for uri in kept["stored"]):
            outputs = Data(kept["parameters"], kept["artifacts"])
            return Outcome(Result("SUCCEEDED", outputs), row["execution_id"])
    return None


def _remember(execution: Execution, mark: str, result: Result) -> None:
    artifacts = result.outputs.artifacts
    uris = {each["uri"] for some in artifacts.values() for each in some}
    stored = sorted(uris & execution.place.artifacts.stored)
    outputs = {"parameters": result.outputs.parameters, "artifacts": artifacts, "stored": stored}
    own = {"run_id": execution.place.run_id, "path": execution.step.path, "execution_id": execution.id}
    try:
        row = {"fingerprint": mark, "outputs": outputs, "created_at": now(), **own}
        execution.place.records.replace("cache", row)
    except sqlite3.OperationalError as error:  # the step is done all the same
        log.warning("result not remembered", extra={"step": execution.step.path, "reason": str(error)})


def _execute(execution: Execution) -> Result:
    """Run the step's process; its artifacts and its log are stored however it ends."""
    place, step, process = execution.place, execution.step, execution.process
    # Outputs are written where their URI lies, so that a component that asks for it (`dsl.get_uri`) is told it.
    home = local_path(place.artifacts.folder, execution.uri)
    for folder in (execution.scratch / "work", execution.scratch / "tmp", home / "outputs"):
        folder.mkdir(parents=True, exist_ok=True)
    for some in step.inputs.artifacts.values():
        for artifact in some:
            place.artifacts.fetch(artifact["uri"])
    told = executor_input(step, execution.uri, home)
    prepared = prepare(place.package, step, told, execution.texts, execution.scratch, place.components)
    process.log.write_text(f"{now()} INFO    step starting step={step.path} note={prepared.note}\n")
    error, outputs = "", Data()
    try:
        environment = _environment(execution, prepared)
        code = process.run(
            prepared.command, prepared.folder, environment, prepared.timeout_s, _LogShipper(execution)
        )
        if process.stopped:
            task.end_all(task.marked(task.EXECUTION_MARK, execution.id))
        error = process.stopped or (processes.ended(code) if code else "")
        outputs = _kept(execution, told, succeeded=not error)
    except BinocularError as failure:
        error = error or str(failure)
    error += f"\n{task.last_lines(process.log)}" if error else ""
    try:
        place.artifacts.keep(execution.log_uri, process.log, LOG_TYPE)
    except BinocularError as failure:
        error = f"{error}\nits log was not stored: {failure}".strip()
    return Result("FAILED" if error else "SUCCEEDED", outputs, error)


def _kept(execution: Execution, told: Json, *, succeeded: bool) -> Data:
    """The outputs, their bytes stored."""
    place = execution.place
    outputs, custom = read_outputs(execution.step, told, succeeded)
    for name, some in outputs.artifacts.items():
        for artifact in some:
            path = custom.get(name) or local_path(place.artifacts.folder, artifact["uri"])
            if path.exists() and split(artifact["uri"])[0] in SCHEMES:
                place.artifacts.keep(artifact["uri"], path)
    return outputs


def _environment(execution: Execution, prepared: Prepared) -> dict[str, str]:
    """This process's environment, the run's, the task's, and the marks by which its processes are found."""
    place = execution.place
    inherited = {name: value for name, value in os.environ.items() if name != "_KFP_RUNTIME"}
    path = [str(place.shims), str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]
    return {
        **inherited,
        **place.environment,
        **prepared.environment,
        "PATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(execution.scratch / "tmp"),
        execute.FOLDER: str(place.artifacts.folder),
        task.EXECUTION_MARK: execution.id,
    }


class _LogShipper:
    """Stores a log while it grows, more rarely where that takes long; a store that is away is tried again."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._size = 0
        self._next = 0.0

    def __call__(self) -> None:
        path = self._execution.process.log
        size, started = path.stat().st_size, time.monotonic()
        if size == self._size or started < self._next or size > LARGEST_SHIPPED_BYTES:
            return
        try:
            self._execution.place.artifacts.keep_log(self._execution.log_uri, path)
            self._size = size
        except BinocularError as error:
            log.warning("log not stored yet", extra={"step": self._execution.step.path, "reason": str(error)})
        self._next = time.monotonic() + max(SHIP_LOG_EVERY_S, 10 * (time.monotonic() - started))


def backoff_s(step: Step, failures: int) -> float | None:
    """How long to wait before the next try after so many failed ones; None where there is none."""
    policy = step.task.get("retryPolicy", {})
    if failures > policy.get("maxRetryCount", 0):
        return None
    first = _seconds(policy.get("backoffDuration", "0s"))
    longest = _seconds(policy.get("backoffMaxDuration", "3600s"))
    try:
        return float(min(first * (policy.get("backoffFactor") or 1) ** (failures - 1), longest))
    except OverflowError:
        return longest if first else 0.0


def _seconds(text: str) -> float:
    """A duration as a package writes it: "1.5s"."""
    try:
        return float(text.removesuffix("s"))
    except ValueError:
        raise TaskError(f"backoff {text!r} is no duration") from None
