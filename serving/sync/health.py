"""The puller's health over HTTP.

GET /healthz    200 while the process lives and each model is looked after
GET /readyz     200 when a model server would find a version of each model, also of one that is behind
GET /metrics    Prometheus
"""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from binocular.errors import PortBusyError
from binocular.settings import variable
from serving.sync.following import Status
from serving.sync.metrics import Metrics

# Longest silence of whoever asks.
IDLE_S = 5.0

log = logging.getLogger(__name__)


class Health(ThreadingHTTPServer):
    """Answers probes from a thread of its own."""

    daemon_threads = True

    def __init__(
        self,
        host: str,
        port: int,
        statuses: Callable[[], Sequence[Status]],
        alive: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        self.statuses, self.alive, self.metrics = statuses, alive, metrics
        try:
            super().__init__((host, port), _Probe)
        except OSError as error:
            raise PortBusyError(
                f"cannot listen on {host}:{port}: {error.strerror}; set {variable('puller_port')}"
                f" or {variable('puller_host')}"
            ) from None

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()


class _Probe(BaseHTTPRequestHandler):
    """One question."""

    server: Health
    timeout = IDLE_S
    server_version = "binocular-puller"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer it."""
        statuses = self.server.statuses()
        match self.path.partition("?")[0]:
            case "/healthz":
                self._tell(self.server.alive(), statuses)
            case "/readyz":
                self._tell(all(status.offered is not None for status in statuses), statuses)
            case "/metrics":
                self._send(HTTPStatus.OK, self.server.metrics.page(), "text/plain; version=0.0.4; charset=utf-8")
            case _:
                self._send(HTTPStatus.NOT_FOUND, b"/healthz, /readyz, /metrics\n", "text/plain")

    def _tell(self, well: bool, statuses: Sequence[Status]) -> None:  # noqa: FBT001 - what it is about
        body = json.dumps({"ok": well, "models": [_shown(status) for status in statuses]}, indent=1) + "\n"
        self._send(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, body.encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Probes come every few seconds and are no events."""


def _shown(status: Status) -> dict[str, Any]:
    return {**asdict(status), "in_step": status.in_step}
