"""Each request gets an id, a line in the access log, its place in the metrics, and careful headers."""

import contextlib
import logging
import re
import time
import uuid

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


def _begin() -> None:
    g.started = time.perf_counter()
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else "none"
    metrics.REQUESTS.labels(request.method if request.url_rule else "any", route, response.status_code).inc()
    metrics.SECONDS.labels(route).observe(seconds)
    if response.status_code >= REFUSED:
        _hear_out()
    present = {name for name, _ in response.headers}  # views write names as they are written here
    response.headers.extend([(REQUEST_ID, g.request_id), *(it for it in HEADERS.items() if it[0] not in present)])
    log.info(
        "request",
        extra={
            "request": g.request_id,
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "ms": round(1000 * seconds, 1),
            "client": request.remote_addr,
            **g.get("noted", {}),
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
    g.noted = {**g.get("noted", {}), **facts}
