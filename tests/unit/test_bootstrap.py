"""Keys of a new cluster: made once, never changed, copied to where the steps run."""

import base64
import json
import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from binocular import bootstrap
from binocular.bootstrap import GATEWAY, STORE, make_secrets
from binocular.errors import ClusterError, NotFoundError
from binocular.kubernetes import Cluster, Secret

TOKEN = "of-a-service-account"  # noqa: S105
Key = tuple[str, str]


class Api(ThreadingHTTPServer):
    """Kubernetes' API, as far as it is asked here: Secrets, over TLS, for one token."""

    daemon_threads = True

    def __init__(self, authority: trustme.CA) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.secrets: dict[Key, dict[str, str]] = {}
        self.written: list[str] = []
        self.just_before_a_post: Any = None


class _Request(BaseHTTPRequestHandler):
    server: Api

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _do(self) -> None:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self._answer(403, {"message": "secrets is forbidden"})
        *_, namespace, kind, name = [*self.path.split("/"), *([""] if self.command == "POST" else [])]
        assert kind == "secrets"
        if self.command != "GET":
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = body["metadata"]["name"]
            if self.command == "POST" and self.server.just_before_a_post:
                self.server.just_before_a_post()
            if self.command == "POST" and (namespace, name) in self.server.secrets:
                return self._answer(409, {"message": "already exists"})
            self.server.secrets[namespace, name] = body["stringData"]
            self.server.written.append(f"{self.command} {namespace}/{name}")
        data = self.server.secrets.get((namespace, name))
        if data is None:
            return self._answer(404, {"message": "not found"})
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return self._answer(200, {"data": encoded})

    do_GET = do_POST = do_PUT = _do  # noqa: N815 - the base class's

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def api(authority: trustme.CA) -> Iterator[Api]:
    server = Api(authority)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cluster(api: Api, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "namespace").write_text("binocular")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.server_port))
    return Cluster.of_this_pod(tmp_path)


def test_missing_keys_are_made_and_copied_and_a_second_run_writes_nothing(cluster: Cluster, api: Api) -> None:
    make_secrets(cluster, ["kubeflow"])
    assert set(api.secrets) == {("binocular", STORE), ("binocular", GATEWAY), ("kubeflow", STORE)}
    keys = api.secrets["binocular", STORE]
    assert api.secrets["kubeflow", STORE] == keys
    assert 8 <= len(keys["access_key"]) <= 20
    assert min(len(keys["secret_key"]), len(api.secrets["binocular", GATEWAY]["token"])) >= 32
    api.written.clear()
    make_secrets(cluster, ["kubeflow"])
    assert api.written == []


def test_keys_that_are_there_stay_and_changed_ones_reach_the_copy(cluster: Cluster, api: Api) -> None:
    mine = {"access_key": "mine", "secret_key": "also mine"}
    api.secrets["binocular", STORE] = mine
    api.secrets["kubeflow", STORE] = {"access_key": "of before", "secret_key": "the same"}
    make_secrets(cluster, ["kubeflow"])
    assert api.secrets["binocular", STORE] == mine == api.secrets["kubeflow", STORE]
    assert api.written == [f"POST binocular/{GATEWAY}", f"PUT kubeflow/{STORE}"]


def test_keys_of_somebody_elses_store_are_never_made_up(cluster: Cluster, api: Api) -> None:
    with pytest.raises(NotFoundError, match="binocular-store"):
        make_secrets(cluster, ["kubeflow"], keys_given=True)
    assert api.written == []
    api.secrets["binocular", STORE] = {"access_key": "of S3", "secret_key": "of S3 too"}
    make_secrets(cluster, ["kubeflow"], keys_given=True)
    assert api.secrets["kubeflow", STORE] == {"access_key": "of S3", "secret_key": "of S3 too"}


def test_of_two_at_once_the_faster_ones_keys_are_everybodys(cluster: Cluster, api: Api) -> None:
    theirs = {"token": "of somebody faster"}

    def faster() -> None:
        api.just_before_a_post = None
        api.secrets["binocular", GATEWAY] = theirs

    api.just_before_a_post = faster
    found, made = cluster.ensure(Secret("binocular", GATEWAY, {"token": "mine"}))
    assert (found.data, made) == (theirs, False)


def test_a_refusal_says_what_was_refused_and_no_secret(cluster: Cluster, api: Api, tmp_path: Path) -> None:
    assert cluster
    (tmp_path / "token").write_text("of somebody else")
    with pytest.raises(ClusterError, match=r"403 to GET .*/binocular-store: secrets is forbidden"):
        make_secrets(Cluster.of_this_pod(tmp_path), [])
    assert api.secrets == {}
    assert "value" not in repr(Secret("binocular", STORE, {"key": "value"}))


def test_outside_of_a_cluster_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterError, match="no pod"):
        Cluster.of_this_pod(tmp_path)


def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    (tmp_path / "token").write_text(TOKEN)
    of_this_pod = Cluster.of_this_pod
    monkeypatch.setattr(Cluster, "of_this_pod", lambda: of_this_pod(tmp_path))
    monkeypatch.setattr(sys, "argv", ["bootstrap", "secrets"])
    assert bootstrap.main() == 1
    assert capsys.readouterr().err == f"bootstrap: {tmp_path / 'namespace'}: No such file or directory\n"
