"""Recurring runs: `/recurringruns`, runs that are made at set times."""

from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request

from binocular.errors import RequestError
from pipeline.local import schedule
from pipeline.local.api.context import Context, body, listed, new_id, present
from pipeline.local.api.runs import source_shown
from pipeline.local.api.submission import GIVEN, common
from pipeline.local.records import Row, now, stamp
from pipeline.local.values import Json, Value

FIELDS = {
    "recurring_run_id": "recurring_run_id", "id": "recurring_run_id", "display_name": "display_name",
    "name": "display_name", "created_at": "created_at", "updated_at": "updated_at", "status": "status",
    "experiment_id": "experiment_id", "description": "description", "pipeline_id": "pipeline_id",
}  # fmt: skip
ALLOWED = (*GIVEN, "trigger", "mode", "max_concurrency", "no_catchup", "namespace", "status")
PLAIN = (
    "recurring_run_id", "experiment_id", "display_name", "description", "created_at", "updated_at", "status",
    "service_account", "trigger",
)  # fmt: skip
MODES = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}
MOST_AT_ONCE = 10


def shown(row: Row) -> Json:
    """A recurring run as the API writes it."""
    periodic = row["trigger"].get("periodic_schedule")
    trigger = row["trigger"]
    if periodic:  # a 64-bit number is text in JSON
        trigger = {"periodic_schedule": {**periodic, "interval_second": str(periodic["interval_second"])}}
    return present(
        **{**{name: row[name] for name in PLAIN}, "trigger": trigger},
        mode="ENABLE" if row["status"] == "ENABLED" else "DISABLE",
        max_concurrency=str(row["max_concurrency"]),
        no_catchup=bool(row["no_catchup"]) or None,
        runtime_config=present(parameters=row["parameters"], pipeline_root=row["pipeline_root"]),
        **source_shown(row),
    )


def _at_once(value: Value) -> int:
    """How many runs of it may be going at once."""
    text = str(value if value is not None else 1)
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_AT_ONCE:
        raise RequestError(f"max_concurrency {value!r}: expected a whole number from 1 to {MOST_AT_ONCE}")
    return int(text)


def blueprint(context: Context) -> Blueprint:
    """The routes of this subject."""
    routes = Blueprint("recurring", __name__)
    records = context.records

    @routes.post("/recurringruns")
    def create() -> Response:
        given = body(ALLOWED)
        mode = given.get("mode") or "ENABLE"
        if mode not in MODES:
            raise RequestError(f"mode {mode!r}: expected one of {', '.join(MODES)}")
        row = common(context, given)
        trigger = schedule.check(given.get("trigger"))
        row |= {
            "recurring_run_id": new_id(),
            "updated_at": row["created_at"],
            "status": MODES[mode],
            "max_concurrency": _at_once(given.get("max_concurrency")),
            "no_catchup": bool(given.get("no_catchup")),
            "trigger": trigger,
            "last_due": stamp(schedule.begins(trigger, datetime.now(UTC))),
            "count": 0,
        }
        records.insert("recurring", row)
        return jsonify(shown(records.get("recurring", row["recurring_run_id"])))

    @routes.get("/recurringruns")
    def browse() -> Response:
        experiment = request.args.get("experiment_id", "")
        where, values = ("experiment_id = ?", [experiment]) if experiment else ("1", [])
        return listed(context, "recurring", "recurringRuns", FIELDS, shown, where, values)

    @routes.get("/recurringruns/<recurring_run_id>")
    def get(recurring_run_id: str) -> Response:
        return jsonify(shown(records.get("recurring", recurring_run_id)))

    @routes.delete("/recurringruns/<recurring_run_id>")
    def delete(recurring_run_id: str) -> Response:
        records.delete("recurring", recurring_run_id)
        return jsonify({})

    @routes.post("/recurringruns/<recurring_run_id>:enable")
    def enable(recurring_run_id: str) -> Response:
        records.update("recurring", recurring_run_id, {"status": "ENABLED", "updated_at": now()})
        return jsonify({})

    @routes.post("/recurringruns/<recurring_run_id>:disable")
    def disable(recurring_run_id: str) -> Response:
        records.update("recurring", recurring_run_id, {"status": "DISABLED", "updated_at": now()})
        return jsonify({})

    return routes
