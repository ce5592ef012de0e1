"""What the gateway does without anybody behind it."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from binocular import parts
from binocular.settings import Settings
from gateway import create_app, metrics
from gateway.__main__ import main


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """A gateway with nothing behind it."""
    return create_app(Settings(home=tmp_path, gateway_keep_hours=0)).test_client()


def test_it_is_alive_whatever_is_behind_it(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "alive"})


def test_every_answer_has_an_id_and_careful_headers(client: FlaskClient) -> None:
    for path in ("/healthz", "/nowhere"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Request-Id"]
    assert client.get("/healthz", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"


@pytest.mark.parametrize("given", ["", "a b", "ü", "x" * 65, "<script>"])
def test_an_id_that_could_harm_a_log_is_replaced(client: FlaskClient, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": given.encode().decode("latin-1")})
    assert len(answer.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/../etc/passwd", 404, "not_found"),
        ("GET", "/%00", 404, "not_found"),
        ("GET", "/v1/predict", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_a_problem(
    client: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    answer: Any = client.open(path, method=method)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"


def test_an_error_of_ours_is_told_without_its_details(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("secret detail")

    monkeypatch.setitem(client.application.view_functions, "health.healthz", fail)
    answer: Any = client.get("/healthz")
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text


def test_the_token_is_made_once_and_is_private(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    token = parts.gateway_token(settings)
    assert len(token) > 40
    assert parts.gateway_token(settings) == token
    assert stat.S_IMODE((settings.home / parts.GATEWAY_TOKEN).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer s3same", 400),
        ("bearer  s3same", 400),
        ("Bearer wrong", 401),
        ("Bearer s3same2", 401),
        ("Bearer", 401),
        ("s3same", 401),
        ("Basic s3same", 401),
        ("Bearer \xfc", 401),
        ("", 401),
    ],
)
def test_only_the_token_opens(tmp_path: Path, header: str, status: int) -> None:
    client = create_app(Settings(home=tmp_path, gateway_token=SecretStr("s3same"))).test_client()
    answer: Any = client.post("/v1/feedback", json={}, headers={"Authorization": header})
    assert answer.status_code == status
    assert "s3same" not in answer.text


def test_a_quantile_is_read_off_the_buckets() -> None:
    counts = [(1.0, 50.0), (2.0, 100.0), (float("inf"), 100.0)]
    assert metrics.quantile(counts, 0.5) == 1.0
    assert metrics.quantile(counts, 0.75) == 1.5
    assert metrics.quantile([(1.0, 0.0), (float("inf"), 5.0)], 0.5) == 1.0
    assert metrics.quantile([], 0.5) is None
    assert metrics.quantile([(1.0, 0.0), (float("inf"), 0.0)], 0.5) is None


def test_the_gateway_imports_nothing_beside_the_shared_library() -> None:
    script = (
        "import importlib, pkgutil, sys, gateway\n"
        "for module in pkgutil.walk_packages(gateway.__path__, 'gateway.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(result.stdout.split()) & {"tensorflow", "keras", "kfp", "components", "pipeline", "serving"}


def test_where_nothing_can_be_kept_it_says_so_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BINOCULAR_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("gateway.__main__.configure", lambda _: None)
    assert main() == 1
    told = capsys.readouterr().err
    assert told.startswith("gateway: ")
    assert "BINOCULAR_HOME names the folder" in told
    assert told.count("\n") == 1
