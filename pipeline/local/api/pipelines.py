"""Pipelines and their versions: `/pipelines`, compiled packages to start runs from."""

from flask import Blueprint, Response, jsonify, request

from binocular.errors import ConflictError, NotFoundError
from pipeline.local.api.context import LONGEST_NAME, LONGEST_OWN_NAME, Context, body, listed, new_id, present, text
from pipeline.local.api.versions import add_version, uploaded
from pipeline.local.records import Row, now
from pipeline.local.values import Json

FIELDS = {
    "pipeline_id": "pipeline_id", "id": "pipeline_id", "display_name": "display_name", "name": "name",
    "created_at": "created_at", "description": "description",
}  # fmt: skip


def shown(row: Row) -> Json:
    """A pipeline as the API writes it."""
    return present(**{name: row[name] for name in dict.fromkeys(FIELDS.values())})


def blueprint(context: Context) -> Blueprint:
    """The routes of this subject."""
    routes = Blueprint("pipelines", __name__)
    records = context.records

    @routes.post("/pipelines/upload")
    def upload() -> Response:
        package = uploaded()
        name = text(request.args, "name", longest=LONGEST_OWN_NAME) or package.name
        display_name = text(request.args, "display_name", longest=LONGEST_NAME) or name
        row: Row = {"pipeline_id": new_id(), "name": name, "display_name": display_name, "created_at": now()}
        row["description"] = text(request.args, "description")
        with records.writing():
            records.insert("pipelines", row)
            add_version(records, row["pipeline_id"], package, name, request.args)
        return jsonify(shown(row))

    @routes.post("/pipelines")
    def create() -> Response:
        given = body(("name", "display_name", "description", "namespace"))
        name = text(given, "name", longest=LONGEST_OWN_NAME) or text(
            given, "display_name", needed=True, longest=LONGEST_OWN_NAME
        )
        display_name = text(given, "display_name", longest=LONGEST_NAME) or name
        row: Row = {"pipeline_id": new_id(), "name": name, "display_name": display_name, "created_at": now()}
        records.insert("pipelines", {**row, "description": text(given, "description")})
        return jsonify(shown(records.get("pipelines", row["pipeline_id"])))

    @routes.get("/pipelines")
    def browse() -> Response:
        return listed(context, "pipelines", "pipelines", FIELDS, shown)

    @routes.get("/pipelines/<pipeline_id>")
    def get(pipeline_id: str) -> Response:
        return jsonify(shown(records.get("pipelines", pipeline_id)))

    @routes.get("/pipelines/names/<name>")
    def get_by_name(name: str) -> Response:
        found = records.find("pipelines", "name = ?", [name])
        if not found:
            raise NotFoundError(f"there is no pipeline called {name!r}")
        return jsonify(shown(found[0]))

    @routes.delete("/pipelines/<pipeline_id>")
    def delete(pipeline_id: str) -> Response:
        with records.writing():
            versions = records.find("versions", "pipeline_id = ?", [pipeline_id])
            if versions and request.args.get("cascade", "").lower() != "true":
                raise ConflictError(f"pipeline {pipeline_id} has {len(versions)} versions; delete them first")
            for version in versions:
                records.delete("versions", version["pipeline_version_id"])
            records.delete("pipelines", pipeline_id)
        return jsonify({})

    return routes
