"""HTTP/1.1 for the REST API: limits on connections, bodies and time, and nothing a client sends is trusted.

A connection has a thread. Connections beyond `rest_api_num_threads` are told 503 and closed; bodies are
limited one by one and in sum, so that slow or greedy clients cannot fill memory.
"""

import logging
import socket
import sys
import threading
import zlib
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from binocular.errors import PortBusyError
from serving.server.admission import Admission
from serving.server.deadline import Deadline
from serving.server.flags import MEGABYTE, Flags
from serving.server.metrics import Metrics
from serving.server.rest import PREFIX, Reply, Rest
from serving.server.status import ServingError

log = logging.getLogger(__name__)

BODY_LIMIT = 32 * MEGABYTE
BODIES_LIMIT = 64 * MEGABYTE
# Of a Content-Length, leading zeros included; Python reads no number of thousands of digits.
MOST_DIGITS = 20
PIECE = MEGABYTE
# Longest silence of a client within a request, or between two.
IDLE_S = 15.0
# Refused connections that are not closed yet.
MOST_LEAVING = 64
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_NOT_FOUND = Reply(
    404, b"<html><head><title>404 Not Found</title></head><body>Not Found</body></html>", "text/html"
)


class Http(ThreadingHTTPServer):
    """The HTTP server. `start` begins to answer, `stop` lets requests in flight end."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, flags: Flags, rest: Rest, metrics: Metrics, metrics_path: str) -> None:
        self.flags, self.rest = flags, rest
        self.metrics, self.metrics_path = metrics, metrics_path
        self.bodies = Admission(BODIES_LIMIT, "bytes of request bodies")
        self.ending = threading.Event()
        self._free = threading.BoundedSemaphore(flags.rest_api_num_threads)
        self._leaving: deque[socket.socket] = deque()
        self._busy = threading.Condition()
        self._answering = 0
        if ":" in flags.host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((flags.host, flags.rest_api_port), _Connection)
        except OSError as error:
            raise PortBusyError(
                f"cannot listen on {flags.host}:{flags.rest_api_port} (--host, --rest_api_port): {error.strerror}"
            ) from None

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self.serve_forever, name="http", daemon=True).start()

    def stop(self, grace_s: float) -> None:
        """Take no more connections, and give requests in flight this long."""
        self.ending.set()
        self.shutdown()
        self.server_close()
        with self._busy:
            self._busy.wait_for(lambda: not self._answering, grace_s)

    def answering(self, change: int) -> None:
        """Count the requests in flight."""
        with self._busy:
            self._answering += change
            self._busy.notify_all()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """Give a connection its thread, or send it away."""
        if self._free.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:  # there is no thread for it
                self._free.release()
                raise
            return
        try:
            request.settimeout(0)
            request.sendall(_BUSY)
            request.shutdown(socket.SHUT_WR)
        except OSError:
            log.debug("a refused client was gone already")
        # Closed now, with its request unread, the connection would be reset, and the answer with it.
        self._leaving.append(request)
        if len(self._leaving) > MOST_LEAVING:
            self._leaving.popleft().close()

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def server_close(self) -> None:
        """Close the listening socket; the base class would wait here for idle connections too."""
        self.socket.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """A connection that broke is no event; a fault of ours is."""
        error = sys.exception()
        if not isinstance(error, OSError | EOFError):
            log.error("a connection ended by a fault of ours", exc_info=error, extra={"client": client_address})
        del request


class _Connection(BaseHTTPRequestHandler):
    """One client's requests, one after the other."""

    server: Http
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    # An answer in one packet: Nagle's algorithm would hold back the second half.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Status, metadata, metrics."""
        self._respond()

    def do_POST(self) -> None:
        """Predictions."""
        self._respond()

    def do_OPTIONS(self) -> None:
        """May a web page of another origin ask?"""
        self._respond()

    def _respond(self) -> None:
        self.server.answering(1)
        try:
            self._send(self._reply())
        finally:
            self.server.answering(-1)

    def _reply(self) -> Reply:
        path = self.path.partition("?")[0]
        if self.command == "GET" and self.server.metrics_path and path == self.server.metrics_path:
            self._leave_body()
            return Reply(200, self.server.metrics.page(), "text/plain")
        if not path.lower().startswith(PREFIX):
            self.close_connection = True  # its body, if any, is unread
            return _NOT_FOUND
        if self.command == "OPTIONS" and self._cors():
            self._leave_body()
            return Reply(200, b"")
        deadline = Deadline.within(self.server.flags.rest_api_timeout_in_ms / 1000)
        try:
            length = self._length()
            with self.server.bodies.enter(BODY_LIMIT if self._packed() else length):
                return self.server.rest.answer(self.command, path, self._body(length, deadline), deadline)
        except _RefusedError as refused:
            self.close_connection = True
            return Reply(refused.status, b'{"error": "%s"}' % str(refused).encode())
        except ServingError as error:
            self.close_connection = True
            return Reply(error.http, b'{"error": "%s"}' % str(error).encode())
        except (OSError, EOFError):
            raise
        except Exception:
            log.exception("a request failed for a reason that is ours")
            return Reply(500, b'{"error": "internal error; the server\'s log says more"}')

    def _leave_body(self) -> None:
        """End the connection where a body stays unread: it would be taken for the next request."""
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True

    def _length(self) -> int:
        """Bytes of the body; it must say once how long it is, and be neither too long nor in pieces."""
        if self.headers.get("Transfer-Encoding"):
            raise _RefusedError(411, "send the body whole, with its Content-Length")
        text, *others = self.headers.get_all("Content-Length", ["0"])
        if others or not text.isascii() or not text.isdecimal():
            raise _RefusedError(400, "Content-Length is no number")
        if len(text) > MOST_DIGITS or int(text) > BODY_LIMIT:
            raise _RefusedError(413, f"the body is longer than {BODY_LIMIT} bytes")
        return int(text)

    def _body(self, length: int, deadline: Deadline) -> bytes:
        pieces, missing = [], length
        while missing:
            deadline.check()  # a client that drips must not hold its thread for ever
            pieces.append(self.rfile.read1(min(missing, PIECE)))
            if not pieces[-1]:
                raise EOFError("the client went away in the middle of its request")
            missing -= len(pieces[-1])
        body = b"".join(pieces)
        if not self._packed():
            return body
        inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            text = inflate.decompress(body, BODY_LIMIT)
        except zlib.error:
            raise _RefusedError(400, "the body is no gzip") from None
        if inflate.unconsumed_tail:
            raise _RefusedError(413, f"the body unpacks to more than {BODY_LIMIT} bytes")
        return text

    def _packed(self) -> bool:
        return "gzip" in self.headers.get("Content-Encoding", "")

    def _cors(self) -> bool:
        origin = self.headers.get("Origin", "")
        return self.server.flags.rest_api_enable_cors_support and origin.startswith(("http://", "https://"))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.server.flags.rest_api_enable_cors_support:
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Methods", "POST, GET")
            self.send_header("Access-Control-Allow-Headers", "Content-Type")
        if self.close_connection or self.server.ending.is_set():
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    def version_string(self) -> str:
        """Say no more of ourselves than needed."""
        return "binocular"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Requests are counted, not logged."""
        log.debug(format, *args)


class _RefusedError(Exception):
    """A request that is wrong as HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
