"""What every subject of the API shares: the records, the engine, and reading a request."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask import Response, jsonify, request

from binocular.errors import NotFoundError, RequestError
from pipeline.local.engine import Engine
from pipeline.local.listing import Query, page
from pipeline.local.records import Records, Row, now
from pipeline.local.values import Json, Value

ROOT = "/apis/v2beta1"
DEFAULT_EXPERIMENT = "Default"
# What is longer would be refused by a cluster, whose database has no room for it.
LONGEST_NAME = 255
LONGEST_OWN_NAME = 127  # of an experiment, a pipeline, or a version, which are found by it
LONGEST_NOTE = 255  # beside a run, a schedule, or an experiment
LONGEST_TEXT = 10_000


@dataclass(frozen=True)
class Context:
    """The server's parts, handed to each blueprint."""

    records: Records
    engine: Engine
    bucket: str

    def ensure_default_experiment(self) -> None:
        """Make the experiment of runs that name none."""
        with self.records.writing():
            if not self.records.find("experiments", "display_name = ?", [DEFAULT_EXPERIMENT]):
                row = {"experiment_id": new_id(), "display_name": DEFAULT_EXPERIMENT, "created_at": now()}
                self.records.insert("experiments", {**row, "storage_state": "AVAILABLE"})

    def experiment(self, experiment_id: Value) -> Row:
        """The experiment with this id, or the default one where none is named."""
        if experiment_id:
            return self.records.get("experiments", str(experiment_id))
        found = self.records.find("experiments", "display_name = ?", [DEFAULT_EXPERIMENT])
        if not found:
            raise NotFoundError(f"there is no experiment {DEFAULT_EXPERIMENT!r}; name one")
        return found[0]

    def version(self, reference: Mapping[str, Value]) -> Row:
        """The pipeline version that a request refers to; without its id, the pipeline's newest."""
        if version_id := reference.get("pipeline_version_id"):
            version = self.records.get("versions", str(version_id))
            if reference.get("pipeline_id") not in {None, "", version["pipeline_id"]}:
                raise RequestError(f"version {version_id} is not one of pipeline {reference['pipeline_id']}")
            return version
        pipeline = self.records.get("pipelines", str(reference.get("pipeline_id")))
        found = self.records.find(
            "versions", "pipeline_id = ?", [pipeline["pipeline_id"]], "created_at DESC LIMIT 1"
        )
        if not found:
            raise RequestError(f"pipeline {pipeline['display_name']!r} has no version to run")
        return found[0]


def new_id() -> str:
    """An id that nobody has."""
    return str(uuid.uuid4())


def body(allowed: Iterable[str]) -> Json:
    """The request's JSON; RequestError for a field that the API does not know."""
    found = request.get_json(silent=True) if request.get_data() else {}
    if not isinstance(found, dict):
        raise RequestError("expected a JSON object")
    if unknown := sorted(set(found) - set(allowed)):
        raise RequestError(f"unknown field {unknown[0]!r}")
    return found


def text(given: Mapping[str, Value], name: str, *, needed: bool = False, longest: int = LONGEST_TEXT) -> str:
    """A text of a request."""
    value = given.get(name) or ""
    if not isinstance(value, str) or len(value) > longest or "\x00" in value:
        raise RequestError(f"{name}: expected text of at most {longest} characters")
    if needed and not value.strip():
        raise RequestError(f"{name}: is missing")
    return value


def listed(
    context: Context,
    table: str,
    key: str,
    fields: Mapping[str, str],
    shown: Value,
    where: str = "1",
    values: Value = (),
) -> Response:
    """The answer to a list request."""
    query = Query.of(request.args, fields)
    rows, token, total = page(context.records, table, query, where, tuple(values))
    answer: Json = {key: [shown(row) for row in rows], "total_size": total} if rows else {}
    if token:
        answer["next_page_token"] = token
    return jsonify(answer)


def present(**fields: Value) -> Json:
    """The fields that have a value: the API omits the others."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
