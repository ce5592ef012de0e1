"""Pipeline versions: `/pipelines/{id}/versions`, the packages themselves."""

from flask import Blueprint, Response, jsonify, request

from binocular.errors import RequestError
from pipeline.local.api.context import LONGEST_NAME, LONGEST_OWN_NAME, Context, listed, new_id, present, text
from pipeline.local.package import Package, read
from pipeline.local.records import Records, Row, now
from pipeline.local.values import Json, Value

FIELDS = {
    "pipeline_id": "pipeline_id", "display_name": "display_name", "name": "name", "created_at": "created_at",
    "description": "description", "pipeline_version_id": "pipeline_version_id", "id": "pipeline_version_id",
}  # fmt: skip


def shown(row: Row) -> Json:
    """A pipeline version as the API writes it."""
    return present(**{name: row[name] for name in dict.fromkeys(FIELDS.values())}, pipeline_spec=row["document"])


def uploaded() -> Package:
    """The package of an upload, read and vetted."""
    file = request.files.get("uploadfile")
    if file is None:
        raise RequestError("expected a multipart field `uploadfile` with the compiled package")
    return read(file.read(), file.filename or "package")


def add_version(records: Records, pipeline_id: str, package: Package, name: str, given: Value) -> Row:
    """Write down a version of a pipeline."""
    row: Row = {"pipeline_version_id": new_id(), "pipeline_id": pipeline_id, "name": name}
    row["display_name"] = text(given, "display_name", longest=LONGEST_NAME) or name
    row |= {"description": text(given, "description"), "created_at": now(), "document": package.document}
    records.insert("versions", row)
    return row


def blueprint(context: Context) -> Blueprint:
    """The routes of this subject."""
    routes = Blueprint("versions", __name__)
    records = context.records

    @routes.post("/pipelines/upload_version")
    def upload_version() -> Response:
        pipeline = records.get("pipelines", request.args.get("pipelineid", ""))
        package = uploaded()
        name = text(request.args, "name", longest=LONGEST_OWN_NAME) or f"{package.name} {now()}"
        return jsonify(shown(add_version(records, pipeline["pipeline_id"], package, name, request.args)))

    @routes.get("/pipelines/<pipeline_id>/versions")
    def versions(pipeline_id: str) -> Response:
        records.get("pipelines", pipeline_id)
        return listed(
            context,
            "versions",
            "pipeline_versions",
            FIELDS,
            shown,
            "pipeline_id = ?",
            [pipeline_id],
        )

    @routes.get("/pipelines/<pipeline_id>/versions/<version_id>")
    def get_version(pipeline_id: str, version_id: str) -> Response:
        reference = {"pipeline_id": pipeline_id, "pipeline_version_id": version_id}
        return jsonify(shown(context.version(reference)))

    @routes.delete("/pipelines/<pipeline_id>/versions/<version_id>")
    def delete_version(pipeline_id: str, version_id: str) -> Response:
        context.version({"pipeline_id": pipeline_id, "pipeline_version_id": version_id})
        records.delete("versions", version_id)
        return jsonify({})

    return routes
