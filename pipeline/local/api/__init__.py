"""The REST API: `/apis/v2beta1/…` as kfp's own client speaks it.

Each request for one of the blueprints' subjects is answered from the records; what starts or ends a run goes to
the engine. An error is `{"code", "message", "details"}` with a gRPC code and the HTTP status that goes with it.
"""

import logging
import sqlite3
from http import HTTPStatus

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from binocular.errors import BinocularError, RequestError
from pipeline.local.api import experiments, pipelines, recurring, runs, versions
from pipeline.local.api.context import ROOT, Context
from pipeline.local.engine import Engine
from pipeline.local.package import LARGEST_BYTES
from pipeline.local.records import Records

# HTTP status to gRPC code, as the API's gateway maps them.
GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 409: 6, 413: 3, 415: 3, 499: 1, 501: 12, 503: 14}
INTERNAL = 13
OURS = {"127.0.0.1", "localhost", "[::1]"}

log = logging.getLogger(__name__)


def create_app(records: Records, engine: Engine, bucket: str) -> Flask:
    """The WSGI application over these records and this engine."""
    app = Flask("pipelines")
    app.config["MAX_CONTENT_LENGTH"] = 2 * LARGEST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    context = Context(records, engine, bucket)
    for subject in (experiments, pipelines, versions, runs, recurring):
        app.register_blueprint(subject.blueprint(context), url_prefix=ROOT)
    app.before_request(_refuse_strangers)
    app.register_error_handler(BinocularError, _refusal)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _defect)

    @app.get(f"{ROOT}/healthz")
    def healthz() -> Response:
        return jsonify(commit_sha="embedded", tag_name="2.17.0", multi_user=False, pipeline_store="database")

    context.ensure_default_experiment()
    return app


def _refuse_strangers() -> Response | None:
    """Keep web pages out: any of them can make a browser send requests to this address.

    A page cannot send JSON, nor DELETE, without asking first, and nobody answers; a name that was made to
    resolve to this machine is not ours; an upload from a page tells its origin.
    """
    if request.host.rpartition(":")[0] not in OURS and request.host not in OURS:
        return _answer(HTTPStatus.FORBIDDEN, f"this server is for this machine alone, not for {request.host!r}")
    origin = request.headers.get("Origin")
    if origin is not None and origin != request.host_url.rstrip("/"):
        return _answer(HTTPStatus.FORBIDDEN, f"requests from pages of {origin!r} are not taken")
    upload = "/pipelines/upload" in request.path
    if request.method == "POST" and not upload and request.mimetype != "application/json":
        return _answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON, as Content-Type: application/json")
    return None


def _answer(status: int, message: str) -> Response:
    """An error in the API's shape; uploads have one of their own."""
    code = GRPC.get(int(status), INTERNAL)
    if request.path.startswith(f"{ROOT}/pipelines/upload"):
        answer = jsonify(error_message=message, error_details=message)
    else:
        detail = {"@type": "type.googleapis.com/google.rpc.Status", "code": code, "message": message}
        answer = jsonify(code=code, message=message, details=[detail])
    answer.status_code = int(status)
    return answer


def _refusal(error: BinocularError) -> Response:
    return _answer(error.status, str(error))


def _http_error(error: HTTPException) -> Response:
    return _answer(error.code or HTTPStatus.INTERNAL_SERVER_ERROR, error.description or error.name)


def _defect(error: Exception) -> Response:
    if isinstance(error, RecursionError):
        return _refusal(RequestError("the request is nested too deeply"))
    if isinstance(error, sqlite3.OperationalError):
        reason = f"the records of runs cannot be written now ({error}); free some space, then try again"
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, reason)
    log.error("request failed", exc_info=error, extra={"path": request.path})
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "an error on the server's side; its log says which")
