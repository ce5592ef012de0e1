"""How the store answers to peers that are slow, wrong or busy: real sockets, made to misbehave."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from binocular import s3
from binocular.errors import BinocularError, StoreFullError, StoreRefusedError, StoreUnavailableError
from binocular.s3 import CHUNK_BYTES, Connection, Endpoint
from binocular.store import Store

ANSWER = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>so it is</Message></Error>'


def store_at(port: int, timeout_s: float = 0.3, deadline_s: float = 1.5) -> Store:
    return Store(
        Endpoint(
            f"http://127.0.0.1:{port}", "key", "secret", "bucket", "us-east-1", None, timeout_s, deadline_s, 4
        )
    )


@contextmanager
def peer(answer: Callable[[int], tuple[int, str, str]]) -> Iterator[tuple[Store, list[str]]]:
    """A server whose n-th answer is `answer(n)`: status, content type, body."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            seen.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, body = answer(len(seen))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "PUT", "HEAD"):
        setattr(Handler, f"do_{method}", Handler.answer)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, ExitStack() as stack:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        stack.callback(server.shutdown)
        yield store_at(server.server_port), seen


def xml(status: int, code: str) -> tuple[int, str, str]:
    return status, "application/xml", ANSWER.format(code=code)


def test_a_busy_store_is_asked_again() -> None:
    with peer(lambda n: xml(503, "SlowDown") if n < 3 else (200, "application/xml", "")) as (store, seen):
        store.put("x", b"data")

    assert seen == ["PUT"] * 3


@pytest.mark.parametrize(("status", "kind"), [(502, "text/html"), (500, "application/xml"), (503, "text/plain")])
def test_a_failing_proxy_is_an_unavailable_store(status: int, kind: str) -> None:
    body = "<html>bad gateway</html>" if "html" in kind else ""
    with (
        peer(lambda _: (status, kind, body)) as (store, seen),
        pytest.raises(StoreUnavailableError, match="not answ"),
    ):
        store.put("x", b"data")

    assert len(seen) > 2


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("XMinioStorageFull", 507, StoreFullError), ("MethodNotAllowed", 405, StoreRefusedError)],
)
def test_a_refusal_is_not_repeated(code: str, status: int, error: type[BinocularError]) -> None:
    with peer(lambda _: xml(status, code)) as (store, seen), pytest.raises(error, match=code):
        store.put("x", b"data")

    assert seen == ["PUT"]


def test_a_web_server_at_the_url_is_told_apart_from_a_store() -> None:
    with (
        peer(lambda _: (200, "text/html", "<html><p>It works!</html>")) as (store, _),
        pytest.raises(StoreRefusedError, match="does not answer like S3"),
    ):
        list(store.entries())


def test_a_mute_peer_costs_no_more_than_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="Read timed out"):
            store_at(mute.getsockname()[1]).put("x", b"data")

    assert time.monotonic() - started < 1.5


def test_a_reader_that_takes_its_time_does_not_use_up_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    data, passed = bytes(range(256)) * (3 * CHUNK_BYTES // 512), [0.0]
    starts = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int((self.headers["Range"] or "bytes=0-")[6:-1])
            starts.append(start)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:] if start else data[: CHUNK_BYTES + 9])  # the first time it hangs up

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(s3, "time", SimpleNamespace(sleep=time.sleep, monotonic=lambda: passed[0]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, ExitStack() as stack:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        stack.callback(server.shutdown)
        found = b""
        for chunk in Connection(store_at(server.server_port).endpoint).stream("x", "etag", len(data), 0):
            found += chunk
            passed[0] += 100

    assert (found == data, starts) == (True, [0, CHUNK_BYTES])


def test_a_peer_that_hangs_up_is_one_error_without_the_secret() -> None:
    def hang_up(server: socket.socket) -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hang_up, args=(server,), daemon=True).start()
        with pytest.raises(StoreUnavailableError) as caught:
            store_at(server.getsockname()[1]).read("x")
        server.shutdown(socket.SHUT_RDWR)

    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tls_failure_names_the_settings_to_change() -> None:
    with peer(lambda _: (200, "text/plain", "")) as (store, _):
        url = store.endpoint.url.replace("http://", "https://")
        wrong = Store(Endpoint(url, "key", "secret", "bucket", "us-east-1", None, 0.3, 1.5, 4))
        started = time.monotonic()
        with pytest.raises(StoreRefusedError, match="BINOCULAR_STORE_CA_FILE"):
            wrong.put("x", b"data")

    assert time.monotonic() - started < 1


def test_who_cannot_wait_is_told_soon_of_a_port_where_nobody_is_and_waits_for_one_who_answers_late() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    patient = store_at(port, timeout_s=1, deadline_s=600).endpoint
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="Connection refused"):
        Store(replace(patient, refused_s=0.3)).read("key")
    assert time.monotonic() - started < 60

    with peer(lambda n: xml(503, "SlowDown") if n < 5 else (200, "application/xml", "")) as (store, seen):
        Store(replace(store.endpoint, deadline_s=600, refused_s=0)).stat("key")
        assert len(seen) >= 5
