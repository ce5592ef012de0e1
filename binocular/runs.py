"""Runs of pipelines, through kfp's own client: on this machine or on a cluster, as the settings say.

    runs = Runs(settings)
    run_id = runs.submit(Path("pipeline.yaml"), {"epochs": "3"}, name="first try")
    runs.get(run_id).state

kfp is imported when a run is started and not before: it takes most of a second and 40 MB.
"""

import contextlib
import io
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import urllib3

from binocular import submitting
from binocular.errors import (
    BinocularError,
    ConflictError,
    NotFoundError,
    PipelinesDeniedError,
    PipelinesUnavailableError,
    RequestError,
)
from binocular.flow import Flow
from binocular.form import refuse_no_choice
from binocular.parts import pipelines_url
from binocular.pipelines import Asking, Theirs, whole_client
from binocular.settings import Settings, variable
from binocular.store import connect

T = TypeVar("T")
EXPERIMENT = "Default"
PAGE = 100
LARGEST_LOG_BYTES = 64 << 20
LONGEST_REASON = 300
_ERRORS: dict[int, type[BinocularError]] = {400: RequestError, 404: NotFoundError, 409: ConflictError}
_DENIED = (401, 403)


@dataclass(frozen=True)
class Step:
    """A task of a run, as a person looks at it."""

    name: str
    path: str
    called: str  # what a person says to mean it: its name where only one has it, else its path
    state: str
    took: timedelta | None
    error: str
    log: str
    cached: bool
    outputs: Mapping[str, str]
    is_group: bool
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 1


class Runs:
    """The runs of one pipelines API."""

    def __init__(self, settings: Settings, *, apart: bool = False) -> None:
        """The API of the settings. `apart`: runs are started by a process of their own, for one that stays."""
        self._settings = settings
        self._apart = apart
        self.url = pipelines_url(settings)
        self._client = Asking(settings)

    def submit(self, package: Path, parameters: Mapping[str, str], name: str, *, cache: bool | None = None) -> str:
        """Start a run of a compiled package; its id. Parameters are texts, read as the package's types."""
        if self._apart:
            return submitting.submit(self._settings, package, parameters, name)
        given = typed(package, parameters)
        self.newest(1)  # nobody may be there: kfp's client, as it is made, tries for half a minute
        with _reading(package):
            started = self._quietly(
                lambda: whole_client(self._settings).create_run_from_pipeline_package(
                    str(package), given, run_name=name, experiment_name=EXPERIMENT, enable_caching=cache
                )
            )
        return str(started.run_id)

    def get(self, run_id: str) -> Theirs:
        """A run as kfp's client gives it."""
        return self._call(lambda: self._client.get_run(run_id))

    def package(self, run: Theirs) -> dict[str, Any]:
        """The compiled package that a run carries out; empty where the API does not tell."""
        if run.pipeline_spec:
            return dict(run.pipeline_spec)
        named = run.pipeline_version_reference
        if not named or not named.pipeline_version_id:
            return {}
        with contextlib.suppress(NotFoundError):  # it may be deleted
            version = self._call(
                lambda: self._client.get_pipeline_version(named.pipeline_id, named.pipeline_version_id)
            )
            return dict(version.pipeline_spec or {})
        return {}

    def newest(self, count: int) -> list[Theirs]:
        """The runs that were made last."""
        return list(
            self._call(lambda: self._client.list_runs(page_size=count, sort_by="created_at desc")).runs or []
        )

    def terminate(self, run_id: str) -> None:
        """End a run."""
        self._call(lambda: self._client.terminate_run(run_id))

    def repeat(
        self, package: Path, parameters: Mapping[str, str], name: str, *, cron: str, description: str
    ) -> None:
        """Let a package be run at set times: a recurring run, under a name that others may have too."""
        given = typed(package, parameters)

        def create() -> None:
            client = whole_client(self._settings)
            experiment = client.create_experiment(EXPERIMENT, namespace=self._settings.kfp_namespace or None)
            client.create_recurring_run(
                experiment.experiment_id,
                name,
                description=description,
                cron_expression=cron,
                max_concurrency=1,
                no_catchup=True,
                params=given,
                pipeline_package_path=str(package),
            )

        with _reading(package):
            self._quietly(create)

    def repeated(self, name: str) -> list[Theirs]:
        """The recurring runs of a name."""
        found, token = list[Theirs](), ""
        while True:
            page = self._call(lambda: self._client.list_recurring_runs(page_size=PAGE, page_token=token))  # noqa: B023
            found += [each for each in page.recurring_runs or [] if each.display_name == name]
            token = page.next_page_token
            if not token:
                return found

    def repeat_no_more(self, recurring_run_id: str) -> None:
        """End a recurring run; runs that it made stay."""
        self._call(lambda: self._client.delete_recurring_run(recurring_run_id))

    def upload(self, package: Path, pipeline: str, version: str) -> bool:
        """Make a package a version of a pipeline, unless there is one of this name; True if this call made it."""
        self.newest(1)  # as for starting a run
        client = self._call(lambda: whole_client(self._settings))
        pipeline_id = self._pipeline(client, pipeline, package)
        named = json.dumps({"predicates": [{"operation": 1, "key": "display_name", "stringValue": version}]})
        listed = self._call(lambda: client.list_pipeline_versions(pipeline_id, page_size=1, filter=named))
        if listed.pipeline_versions:
            return False
        try:
            self._quietly(lambda: client.upload_pipeline_version(str(package), version, pipeline_id))
        except ConflictError:
            return False  # somebody was faster
        return True

    def _pipeline(self, client: Theirs, name: str, package: Path) -> str:
        """The id of a pipeline; one that is not there yet is made, which takes a package."""
        found = self._call(lambda: client.get_pipeline_id(name))
        if not found:
            with contextlib.suppress(ConflictError):  # somebody was faster
                self._quietly(lambda: client.upload_pipeline(str(package), name))
            found = self._call(lambda: client.get_pipeline_id(name))
        return str(found)

    def _quietly(self, action: Callable[[], T]) -> T:
        """Do something without the links that the client prints, to pages that are not here."""
        with contextlib.redirect_stdout(io.StringIO()):
            return self._call(action)

    def log(self, step: Step) -> str:
        """A step's log as far as it is in the object store."""
        bucket = self._settings.store_bucket
        if not step.log:
            raise NotFoundError(f"{step.name} has no log: it did not run, or an earlier result was taken")
        _, found, key = step.log.partition(f"://{bucket}/")
        if not found:
            raise NotFoundError(f"the log is {step.log}; to read it, set {variable('store_bucket')} to its bucket")
        return connect(self._settings).read(key, LARGEST_LOG_BYTES).data.decode(errors="replace")

    def _call(self, action: Callable[[], T]) -> T:
        """Do something with the client; what the API refuses becomes an error of ours."""
        import kfp_server_api  # noqa: PLC0415 - takes a moment, and only these verbs need it

        try:
            return action()
        except kfp_server_api.ApiException as error:
            if error.status in _DENIED:
                raise PipelinesDeniedError(
                    f"pipelines API {self.url} answered {error.status}: set {variable('kfp_token_file')} and"
                    f" {variable('kfp_namespace')} to a token and a namespace that it lets in"
                ) from None
            raise _ERRORS.get(error.status, PipelinesUnavailableError)(_message(error)) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = str(getattr(error, "reason", error)).rpartition(": ")[2]
            hint = "" if self._settings.kfp_url else "; `binocular up` starts it"
            raise PipelinesUnavailableError(
                f"pipelines API {self.url} is not answering ({reason}){hint}"
            ) from None


def _message(error: Theirs) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, LookupError, TypeError):
        return f"the pipelines API answered {error.status} {error.reason}"


@contextlib.contextmanager
def _reading(package: Path) -> Iterator[None]:
    """What kfp's client cannot read as a package becomes an error of ours."""
    from google.protobuf.json_format import ParseError  # noqa: PLC0415 - comes with kfp

    try:
        yield
    except (ParseError, ValueError, TypeError, zipfile.BadZipFile, tarfile.TarError) as error:
        why = " ".join(str(error).split())[:LONGEST_REASON]
        raise RequestError(f"{package} is not a compiled pipeline: {why}") from None


def typed(package: Path, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Parameters as values: texts stay texts where the package wants text, anything else is JSON."""
    if not package.is_file():
        raise NotFoundError(f"{package}: there is no such package; compile a pipeline, or name another file")
    import yaml  # noqa: PLC0415 - comes with kfp

    try:
        spec = next(yaml.safe_load_all(package.read_text())) if package.suffix in {".yaml", ".yml"} else {}
        wanted = spec.get("root", {}).get("inputDefinitions", {}).get("parameters", {})
    except (yaml.YAMLError, AttributeError, StopIteration, UnicodeDecodeError):
        raise RequestError(f"{package} is not a compiled pipeline") from None
    values: dict[str, Any] = {}
    for name, text in parameters.items():
        values[name] = text
        if wanted.get(name, {}).get("parameterType", "STRING") != "STRING":
            with contextlib.suppress(ValueError):
                values[name] = json.loads(text)
    refuse_no_choice(package, values)
    return values


def steps(run: Theirs) -> list[Step]:
    """A run's tasks, each behind the group it is in."""
    flow = Flow.of(run.pipeline_spec)
    found = (run.run_details.task_details if run.run_details else None) or []
    children: dict[str, list[Theirs]] = {}
    known = {task.task_id for task in found}
    for task in found:
        children.setdefault(task.parent_task_id if task.parent_task_id in known else "", []).append(task)
    named = Counter(node.name for node in flow.nodes)
    told = Counter(task.display_name for task in found)

    def called(task: Theirs) -> str:
        """Its name, unless that is another's as well or it is done again and again; no group's name otherwise."""
        name, path = task.display_name or "", task.pod_name or ""
        repeated = any(part.isdecimal() for part in path.split("/"))
        return name if (named[name], told[name], repeated) == (1, 1, False) else path or name

    def below(parent: str) -> Iterator[Step]:
        for task in children.get(parent, []):
            # A condition that does not hold has no tasks, and is no step for that.
            is_group = task.task_id in children or task.pod_name in flow.groups
            yield _step(task, called(task), is_group=is_group)
            yield from below(task.task_id)

    return list(below(""))


def _step(task: Theirs, called: str, *, is_group: bool) -> Step:
    executor = task.executor_detail
    took = (task.end_time or datetime.now(UTC)) - task.start_time if task.start_time else None
    return Step(
        name=task.display_name or "",
        path=task.pod_name or "",
        called=called,
        state=task.state or "",
        took=took,
        error=(task.error.message if task.error else "") or "",
        log=(executor.main_job if executor else "") or "",
        cached=bool(executor and executor.pre_caching_check_job),
        outputs={name: (listed.artifact_ids or [""])[0] for name, listed in (task.outputs or {}).items()},
        is_group=is_group,
        started=task.start_time,
        ended=task.end_time,
        attempts=1 + len((executor.failed_main_jobs if executor else None) or []),
    )


def chosen(found: list[Step], name: str) -> Step:
    """The step that a name or a path means; NotFoundError names those there are."""
    fitting = [step for step in found if name in {step.path, step.name} and not step.is_group]
    exact = [step for step in fitting if step.path == name] or fitting
    if len(exact) != 1:
        names = ", ".join(step.called for step in (fitting or found) if not step.is_group)
        raise NotFoundError(f"{len(exact) or 'no'} steps are called {name!r}; there are: {names or 'none yet'}")
    return exact[0]
