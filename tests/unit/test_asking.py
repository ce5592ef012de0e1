"""Asking a gateway, where something else may answer, and what a terminal shows of the answer."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from binocular import Client, cli_predict
from binocular.errors import GatewayRefusedError, GatewayUnavailableError, RequestError
from binocular.settings import Settings


class Answers(ThreadingHTTPServer):
    """A server that gives one answer to everything, and keeps what it was told last."""

    status, body, told = 200, b"{}", b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_POST(self) -> None:
        self.server.told = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Answers]:
    with Answers(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("body", [b"[]", b'"hello"', b"hello", b"", b'{"message": "not the one you look for"}'])
def test_what_is_no_gateway_is_called_so(server: Answers, body: bytes) -> None:
    server.body = body
    with pytest.raises(GatewayUnavailableError, match="it is no gateway"):
        Client(server.url, "").correct("1", "glass")


def test_a_refusal_by_what_stands_in_between_keeps_its_fields(server: Answers) -> None:
    server.status, server.body = 503, b'{"message": "no route", "self": 1, "retry_after": "soon"}'
    with pytest.raises(GatewayUnavailableError) as caught:
        Client(server.url, "", patience_s=0.1).correct("1", "glass")
    assert caught.value.details == {"message": "no route", "self": 1, "status": 503}

    server.status = 400
    with pytest.raises(GatewayRefusedError):
        Client(server.url, "").correct("1", "glass")


def test_a_parameter_may_have_any_name(server: Answers) -> None:
    server.body = b'{"run_id": "1", "state": "PENDING", "url": "/v1/runs/1"}'
    Client(server.url, "").retrain(self=1)
    assert json.loads(server.told) == {"parameters": {"self": 1}}


def command(server: Answers, name: str, *arguments: str) -> Any:
    settings = Settings(gateway_port=server.server_port, gateway_token=SecretStr("t"))
    return CliRunner().invoke(getattr(cli_predict, name), arguments, obj=settings)


def test_a_class_is_shown_as_it_is_called(server: Answers, tmp_path: Path) -> None:
    told = {
        "id": "1", "label": "bottle [pet]", "best_guess": "bottle [pet]", "confidence": 1,
        "probabilities": {"bottle [pet]": 1}, "model": {"name": "waste", "version": 3}, "kept": False,
        "latency_ms": {"decode": 1, "predict": 2, "total": 3},
    }  # fmt: skip
    server.body = json.dumps(told).encode()
    path = tmp_path / "photo[1].jpg"
    path.touch()
    assert command(server, "predict", str(path)).output == f"{path}: bottle [pet] (100%, version 3, 3 ms)\n"


def test_a_parameter_without_a_value_is_not_sent(server: Answers) -> None:
    found = command(server, "retrain", "-p", "epochs")
    assert isinstance(found.exception, RequestError)
    assert "expected NAME=VALUE" in str(found.exception)
    assert server.told == b""
