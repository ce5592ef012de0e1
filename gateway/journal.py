"""Each request gets an id, a line in the access log, its place in the metrics, and careful headers."""

import contextlib
import logging
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, g, request

from gateway import metrics

REQUEST_ID = "X-Request-Id"
REFUSED = 400
PIECE = 1 << 16
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

log = logging.getLogger("gateway.access")


def init_app(app: Flask) -> None:
    """Follow every request of an application."""
    app.before_request(_begin)
    app.after_request(_end)
    app.wsgi_app = _careful(app.wsgi_app)  # type: ignore[method-assign,assignment]


def _careful(app: WSGIApplication) -> WSGIApplication:
    """An application whose answers have the careful headers, but for those that a view gave itself."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401 - WSGI's
            present = {name for name, _ in headers}  # views write names as they are written here
            return start(status, headers + [it for it in HEADERS.items() if it[0] not in present], *error)

        return app(environ, begin)

    return answer


def _begin() -> None:
    g.started = time.perf_counter()
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if _ID.fullmatch(given) else secrets.token_hex(16)
    g.noted = {}


def _end(response: Response) -> Response:
    seconds, request_id = time.perf_counter() - g.started, g.request_id
    method, rule = request.method, request.url_rule
    route = rule.rule if rule else "none"
    metrics.of(metrics.REQUESTS, method if rule else "any", route, response.status_code).inc()
    metrics.of(metrics.SECONDS, route).observe(seconds)
    if response.status_code >= REFUSED:
        _hear_out()
    response.headers[REQUEST_ID] = request_id
    log.info(
        "request",
        extra={
            "request": request_id,
            "method": method,
            "path": request.path,
            "status": response.status_code,
            "ms": round(1000 * seconds, 1),
            "client": request.remote_addr,
            **g.noted,
        },
    )
    return response


def _hear_out() -> None:
    """Take in the rest of a request that was refused early: where much is left unread the connection would be cut,
    and the client might never see why.
    """
    given = request.environ["wsgi.input"]
    left = request.max_content_length or 0
    if request.environ.get("wsgi.input_terminated") and (request.content_length or 0) <= left:
        with contextlib.suppress(Exception):  # whatever is wrong with it, it is refused already
            while left > 0 and (piece := given.read(PIECE)):
                left -= len(piece)


def note(**facts: object) -> None:
    """Add facts to the request's line in the access log."""
    g.noted.update(facts)
