"""Experiments: `/experiments`, groups of runs."""

from flask import Blueprint, Response, jsonify

from pipeline.local.api.context import LONGEST_NOTE, LONGEST_OWN_NAME, Context, body, listed, new_id, present, text
from pipeline.local.records import Row, now
from pipeline.local.values import Json

FIELDS = {
    "experiment_id": "experiment_id", "id": "experiment_id", "display_name": "display_name",
    "name": "display_name", "created_at": "created_at", "last_run_created_at": "last_run_created_at",
    "storage_state": "storage_state", "description": "description",
}  # fmt: skip
GIVEN = ("display_name", "description", "namespace")


def shown(row: Row) -> Json:
    """An experiment as the API writes it."""
    return present(**{name: row[name] for name in dict.fromkeys(FIELDS.values())})


def blueprint(context: Context) -> Blueprint:
    """The routes of this subject."""
    routes = Blueprint("experiments", __name__)
    records = context.records

    @routes.post("/experiments")
    def create() -> Response:
        given = body(GIVEN)
        name = text(given, "display_name", needed=True, longest=LONGEST_OWN_NAME)
        row: Row = {
            "experiment_id": new_id(),
            "display_name": name,
            "description": text(given, "description", longest=LONGEST_NOTE),
        }
        records.insert("experiments", {**row, "created_at": now(), "storage_state": "AVAILABLE"})
        return jsonify(shown(records.get("experiments", row["experiment_id"])))

    @routes.get("/experiments")
    def browse() -> Response:
        return listed(context, "experiments", "experiments", FIELDS, shown)

    @routes.get("/experiments/<experiment_id>")
    def get(experiment_id: str) -> Response:
        return jsonify(shown(records.get("experiments", experiment_id)))

    @routes.delete("/experiments/<experiment_id>")
    def delete(experiment_id: str) -> Response:
        records.delete("experiments", experiment_id)  # its runs stay, as on a cluster
        return jsonify({})

    @routes.post("/experiments/<experiment_id>:archive")
    def archive(experiment_id: str) -> Response:
        with records.writing():
            records.update("experiments", experiment_id, {"storage_state": "ARCHIVED"})
            its = ("experiment_id = ?", [experiment_id])
            records.update_all("runs", *its, {"storage_state": "ARCHIVED"})
            records.update_all("recurring", *its, {"status": "DISABLED", "updated_at": now()})
        return jsonify({})

    @routes.post("/experiments/<experiment_id>:unarchive")
    def unarchive(experiment_id: str) -> Response:
        records.update("experiments", experiment_id, {"storage_state": "AVAILABLE"})
        return jsonify({})

    return routes
