"""The load generator of the benchmarks, against servers that keep connections open and that do not."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.asking import asked
from benchmarks.http_client import request


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "2")
        if self.path == "/closing":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/staying", "/closing"])
def test_a_server_is_asked_again_and_again_also_where_it_closes_each_connection(
    address: str, path: str, tmp_path: Path
) -> None:
    file = tmp_path / "request"
    file.write_bytes(request(path, b"abc", "image/jpeg"))
    found = asked(address, file, connections=3, seconds=0.5)
    assert found["count"] > 30
    assert found["failed"] == 0
    assert found["seconds"] < 5


def test_what_is_no_good_answer_is_counted_as_failed(address: str, tmp_path: Path) -> None:
    file = tmp_path / "request"
    file.write_bytes(request("/broken", b"abc", "image/jpeg"))
    found = asked(address, file, connections=1, seconds=0.2)
    assert found["count"] == 0
    assert found["failed"] > 1
    assert found["first_failure"].startswith("HTTP/1.1 500")
