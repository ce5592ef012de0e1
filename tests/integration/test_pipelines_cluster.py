"""A pipelines API of a cluster: what it is told with each request, seen by a server that writes it down."""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from binocular import doctor
from binocular.errors import (
    BinocularError,
    PipelinesDeniedError,
    PipelinesUnavailableError,
    RequestError,
    SettingError,
)
from binocular.runs import Runs
from binocular.settings import Settings
from tests.pipelines_server import PipelinesServer
from tests.sample_pipelines import compiled, tiny

RUN = {"run_id": "run-1", "display_name": "first", "state": "SUCCEEDED", "created_at": "2026-01-31T12:00:00Z"}
ANSWERS: dict[str, Any] = {
    "GET /pipeline/apis/v2beta1/runs": {"runs": [RUN]},
    "GET /pipeline/apis/v2beta1/runs/run-1": RUN,
    "POST /pipeline/apis/v2beta1/runs/run-1:terminate": {},
    "GET /pipeline/apis/v2beta1/experiments": {"experiments": [{"experiment_id": "e", "display_name": "Default"}]},
    "POST /pipeline/apis/v2beta1/runs": RUN,
}


class Cluster:
    """A server behind TLS, as whole Kubeflows are, that lets one token in."""

    def __init__(self, folder: Path) -> None:
        self.token, self.asked = folder / "token", list[tuple[str, dict[str, list[str]], str | None]]()
        self.let_in = "first"
        self.token.write_text("first\n")
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        cluster = self

        class Answers(BaseHTTPRequestHandler):
            def answer(self) -> None:
                parts = urlsplit(self.path)
                told = self.headers["Authorization"]
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                cluster.asked.append((f"{self.command} {parts.path}", parse_qs(parts.query), told))
                right = told == f"Bearer {cluster.let_in}"
                body = json.dumps(ANSWERS[f"{self.command} {parts.path}"] if right else {}).encode()
                self.send_response(200 if right else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self, **changes: Any) -> Settings:
        told = {
            "kfp_url": f"https://127.0.0.1:{self.server.server_port}/pipeline",
            "kfp_token_file": self.token,
            "kfp_namespace": "team-a",
            "kfp_ca_file": self.ca,
        }
        return Settings(**{**told, **changes})


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(compiled(tiny, tmp_path_factory.mktemp("package")))


@pytest.mark.parametrize("apart", [False, True])
def test_every_request_carries_token_and_namespace(cluster: Cluster, package: Path, *, apart: bool) -> None:
    runs = Runs(cluster.settings(), apart=apart)
    assert runs.submit(package, {}, "first") == "run-1"
    assert [run.run_id for run in runs.newest(3)] == ["run-1"]
    assert runs.get("run-1").state == "SUCCEEDED"
    runs.terminate("run-1")
    assert {told for _, _, told in cluster.asked} == {"Bearer first"}
    asked = [(path.rpartition("/v2beta1")[2], query.get("namespace")) for path, query, _ in cluster.asked]
    assert ("/runs", ["team-a"]) in asked
    assert ("/experiments", ["team-a"]) in asked
    assert [path for path, _, _ in cluster.asked if path.endswith("v2beta1/runs") and path.startswith("POST")]


def test_a_token_that_kubernetes_renews_is_read_anew(cluster: Cluster) -> None:
    runs = Runs(cluster.settings())
    runs.newest(1)
    cluster.token.write_text("second\n")
    cluster.let_in = "second"
    assert runs.newest(1)


@pytest.mark.parametrize("apart", [False, True])
def test_who_is_not_let_in_is_told_which_settings_to_look_at(
    cluster: Cluster, package: Path, *, apart: bool
) -> None:
    cluster.let_in = "another"
    runs = Runs(cluster.settings(), apart=apart)
    for ask in (lambda: runs.newest(1), lambda: runs.submit(package, {}, "first")):
        with pytest.raises(PipelinesDeniedError, match="BINOCULAR_KFP_TOKEN_FILE and BINOCULAR_KFP_NAMESPACE"):
            ask()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kfp_token_file": Path("/nowhere/token")}, SettingError),
        ({"kfp_ca_file": None}, PipelinesUnavailableError),
    ],
)
def test_what_cannot_be_trusted_or_read_is_an_error_of_ours(
    cluster: Cluster, package: Path, changes: dict[str, Any], error: type[BinocularError]
) -> None:
    runs = Runs(cluster.settings(**changes))
    for ask in (lambda: runs.newest(1), lambda: runs.submit(package, {}, "first")):
        with pytest.raises(error):
            ask()


@pytest.mark.parametrize(("name", "text"), [("compose.yaml", "services: {}"), ("notes.md", ""), ("p.zip", "PK")])
def test_what_is_no_package_is_called_so(cluster: Cluster, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RequestError, match=f"{name} is not a compiled pipeline"):
        Runs(cluster.settings()).submit(tmp_path / name, {}, "first")


def test_the_doctor_asks_as_every_command_does(cluster: Cluster, tmp_path: Path) -> None:
    def found() -> str:
        findings = doctor.examine(cluster.settings(home=tmp_path / "home"))
        return next(each.level for each in findings if each.what == "pipelines")

    assert found() == "fine"
    cluster.let_in = "another"
    assert found() == "wrong"


def test_the_pipelines_api_of_this_machine_does_not_mind(
    pipelines: PipelinesServer, package: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("any")
    runs = Runs(Settings(kfp_url=pipelines.url, kfp_token_file=tmp_path / "token", kfp_namespace="team-a"))
    run_id = runs.submit(package, {}, "first")
    assert run_id in {run.run_id for run in runs.newest(10)}
