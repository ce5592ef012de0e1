"""Runs: `/runs`, a pipeline carried out once."""

import json

from flask import Blueprint, Response, jsonify, request

from pipeline.local.api.context import Context, body, listed, present
from pipeline.local.api.submission import GIVEN, common
from pipeline.local.going import INTERNAL
from pipeline.local.inputs import Data
from pipeline.local.plan import task_id
from pipeline.local.records import Records, Row
from pipeline.local.values import Json, Value

FIELDS = {
    "run_id": "run_id", "id": "run_id", "display_name": "display_name", "name": "display_name",
    "created_at": "created_at", "scheduled_at": "scheduled_at", "finished_at": "finished_at", "state": "state",
    "status": "state", "storage_state": "storage_state", "experiment_id": "experiment_id",
    "recurring_run_id": "recurring_run_id", "pipeline_id": "pipeline_id", "description": "description",
    "pipeline_version_id": "pipeline_version_id",
}  # fmt: skip
PLAIN = (
    "run_id", "experiment_id", "display_name", "description", "created_at", "scheduled_at", "finished_at", "state",
    "storage_state", "recurring_run_id", "service_account",
)  # fmt: skip


def shown(row: Row) -> Json:
    """A run as lists show it."""
    return present(
        **{name: row[name] for name in PLAIN},
        error=_error(row["error"]),
        state_history=row["history"],
        runtime_config=present(parameters=row["parameters"], pipeline_root=row["pipeline_root"]),
        **source_shown(row),
    )


def source_shown(row: Row) -> Json:
    """What a run or schedule runs: the version that it names, or the package that came with it."""
    if row["pipeline_version_id"]:
        ids = present(pipeline_id=row["pipeline_id"], pipeline_version_id=row["pipeline_version_id"])
        return {"pipeline_version_reference": ids}
    return {"pipeline_spec": row["document"]}


def task_shown(row: Row) -> Json:
    """A task of a run. Beside what a cluster tells: its inputs and outputs, and where its logs are.

    In `inputs` and `outputs`, an artifact's "ids" are its URIs, a parameter's is its value as JSON.
    """
    executor = present(
        main_job=row["log"], pre_caching_check_job=row["cached_from"], failed_main_jobs=row["failed_logs"]
    )
    return present(
        run_id=row["run_id"],
        task_id=task_id(row["run_id"], row["path"]),
        display_name=row["name"],
        create_time=row["created_at"],
        start_time=row["started_at"],
        end_time=row["ended_at"],
        executor_detail=executor,
        state=row["state"],
        execution_id=row["execution_id"],
        error=_error(row["error"]),
        inputs=_listed(row["inputs"]),
        outputs=_listed(row["outputs"]),
        parent_task_id=task_id(row["run_id"], row["parent"]) if row["parent"] else None,
        state_history=row["history"],
        pod_name=row["path"],
    )


def _listed(stored: Json) -> Json:
    data = Data(**stored)
    values = {name: {"artifact_ids": [json.dumps(value)]} for name, value in data.parameters.items()}
    return values | {name: {"artifact_ids": [a["uri"] for a in some]} for name, some in data.artifacts.items()}


def _error(message: Value) -> Json | None:
    return {"code": INTERNAL, "message": message} if message else None


def detailed(records: Records, run_id: str) -> Json:
    """A run with its tasks."""
    rows = records.find("tasks", "run_id = ?", [run_id], "created_at, rowid")
    tasks = [task_shown(row) for row in rows]
    children: dict[str, list[Json]] = {}
    for each in tasks:
        own = {"task_id": each["task_id"], "pod_name": each["pod_name"]}
        children.setdefault(each.get("parent_task_id", ""), []).append(own)
    for each in tasks:
        if each["task_id"] in children:
            each["child_tasks"] = children[each["task_id"]]
    details = {"run_details": {"task_details": tasks}} if tasks else {}
    return {**shown(records.get("runs", run_id)), **details}


def blueprint(context: Context) -> Blueprint:
    """The routes of this subject."""
    routes = Blueprint("runs", __name__)
    records, engine = context.records, context.engine

    @routes.post("/runs")
    def create() -> Response:
        row = common(context, body((*GIVEN, "storage_state")))
        run_id = engine.write_down({**row, "scheduled_at": row["created_at"]})
        engine.begin(run_id)
        return jsonify(detailed(records, run_id))

    @routes.get("/runs")
    def browse() -> Response:
        experiment = request.args.get("experiment_id", "")
        where, values = ("experiment_id = ?", [experiment]) if experiment else ("1", [])
        return listed(context, "runs", "runs", FIELDS, shown, where, values)

    @routes.get("/runs/<run_id>")
    def get(run_id: str) -> Response:
        return jsonify(detailed(records, run_id))

    @routes.delete("/runs/<run_id>")
    def delete(run_id: str) -> Response:
        engine.delete(run_id)
        return jsonify({})

    @routes.post("/runs/<run_id>:terminate")
    def terminate(run_id: str) -> Response:
        engine.terminate(run_id)
        return jsonify({})

    @routes.post("/runs/<run_id>:retry")
    def retry(run_id: str) -> Response:
        engine.retry(run_id)
        return jsonify({})

    @routes.post("/runs/<run_id>:archive")
    def archive(run_id: str) -> Response:
        records.update("runs", run_id, {"storage_state": "ARCHIVED"})
        return jsonify({})

    @routes.post("/runs/<run_id>:unarchive")
    def unarchive(run_id: str) -> Response:
        records.update("runs", run_id, {"storage_state": "AVAILABLE"})
        return jsonify({})

    return routes
