"""Errors as answers: the one place where they become `application/problem+json`.

What a client did wrong is told in full. What failed behind us is told by its kind, and the log has the details:
they may name addresses that are nobody's business.
"""

import inspect
import json
import logging
import math

from flask import Flask, Response, g
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from binocular.errors import BinocularError, RequestError

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
# The detail of an error that knows better.
RETRY = "retry_after_s"
SERVER_ERROR = 500
UNAUTHORIZED = 401
# Stable names for what the framework itself refuses.
CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "media_type"}

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Answer every error as a problem."""
    app.register_error_handler(BinocularError, _of_ours)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(ParseException, _of_the_wire)
    app.register_error_handler(Exception, _unexpected)


def problem(error: BinocularError) -> dict[str, object]:
    """An error as a value in an answer: how one image of a batch fails without the others."""
    text = str(error) if error.status < SERVER_ERROR else meaning(error)
    return {"title": _kind(error), "status": error.status, "code": error.code, "detail": text, **error.details}


def _kind(error: BinocularError) -> str:
    """The first sentence of what the class says of itself."""
    return meaning(error).partition(". ")[0].rstrip(".") + "."


def meaning(error: BinocularError) -> str:
    """What the class says of itself, whether retrying helps included."""
    return " ".join((inspect.getdoc(type(error)) or "").split())


def _of_ours(error: BinocularError) -> Response:
    if error.status >= SERVER_ERROR:
        log.error("request failed", extra={"code": error.code, "why": str(error), "request": g.get("request_id")})
    response = _answer(error.status, problem(error))
    if error.retry:
        response.headers["Retry-After"] = str(math.ceil(float(str(error.details.get(RETRY, RETRY_AFTER_S)))))
    if error.status == UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="binocular"'
    return response


def _of_the_wire(error: ParseException) -> Response:
    """A body in pieces that do not fit: gunicorn reads it only when a view does."""
    return _of_ours(RequestError(f"the body cannot be read: {error}"))


def _of_http(error: HTTPException) -> Response:
    status = error.code or SERVER_ERROR
    code = CODES.get(status, "request" if status < SERVER_ERROR else "internal")
    response = _answer(
        status, {"title": error.name, "status": status, "code": code, "detail": error.description or error.name}
    )
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    log.error("request failed unexpectedly", exc_info=error, extra={"request": g.get("request_id")})
    return _answer(
        SERVER_ERROR,
        {
            "title": "An error of ours.",
            "status": SERVER_ERROR,
            "code": "internal",
            "detail": "This should not have happened. The log has it under the request's id.",
        },
    )


def _answer(status: int, body: dict[str, object]) -> Response:
    whole = {"type": "about:blank", **body, "request_id": g.get("request_id")}
    return Response(json.dumps(whole, ensure_ascii=False, default=str), status, content_type=CONTENT_TYPE)
