"""The gateway from Python, against the real process."""

import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from binocular import Client
from binocular.errors import GatewayRefusedError, GatewayUnavailableError, SourceError
from binocular.store import Store, connect
from tests.gateway_server import NAME, TOKEN, GatewayServer, picture, publish_facts, settings_for
from tests.modelfolders import SIDE, make_classifier, publish
from tests.modelserver import ModelServer
from tests.servers import free_port


@pytest.fixture(scope="module")
def server(embedded_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    folder = tmp_path_factory.mktemp("client")
    publish(make_classifier(folder / "made", 0), folder / NAME, 1)
    with ModelServer(folder, f"--model_name={NAME}", f"--model_base_path={folder / NAME}") as model:
        settings = settings_for(folder / "home", embedded_store, model_address=f"127.0.0.1:{model.port}")
        for run in ("run-1", "run-2"):
            publish_facts(connect(settings), folder / run, ("a", "b", "c"), SIDE, run)
        with GatewayServer(folder, settings) as server:
            yield server


@pytest.fixture
def client(server: GatewayServer) -> Client:
    return Client(server.url, TOKEN)


def photos(folder: Path, **counts: int) -> Path:
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for n in range(count):
            (folder / label / f"{n}.png").write_bytes(picture(zlib.crc32(f"{label}{n}".encode())))
    return folder


def test_a_program_asks_and_corrects(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(picture(1))

    found = client.predict(path)

    assert found == client.predict(path.read_bytes()).model_copy(
        update={"id": found.id, "latency_ms": found.latency_ms}
    )
    assert (found.label, found.model.version, set(found.probabilities)) == ("a", 1, {"a", "b", "c"})
    assert len(client.predict(path, top_k=1).probabilities) == 1
    assert not client.correct(found, "b").duplicate
    assert client.correct(found.id, "b").duplicate


def test_a_folder_is_uploaded_with_what_was_refused(client: Client, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", a=3, b=2)
    (folder / "b" / "broken.png").write_bytes(b"not an image")
    (folder / "a" / ".DS_Store").write_bytes(b"litter")

    taken = client.upload(folder)
    again = client.upload(folder / "a", label="a")

    assert (taken.stored, taken.labels) == (5, {"a": 3, "b": 2})
    assert [refusal.file for refusal in taken.refused] == ["broken.png"]
    assert (again.stored, again.duplicates) == (0, 3)
    assert client.upload([folder / "a" / "0.png"], "b").stored == 1


@pytest.mark.parametrize("source", ["nothing", ["a.png"]])
def test_an_upload_says_what_is_missing(client: Client, source: str | list[str]) -> None:
    with pytest.raises(SourceError, match="label"):
        client.upload(source)


def test_versions_move_forward_and_back(client: Client) -> None:
    assert client.promote(2, why="better").before in {None, 1}
    assert client.models().production == 2
    assert client.promote(1, over=2).before == 2
    with pytest.raises(GatewayRefusedError) as refused:
        client.promote(2, over=2)
    assert (refused.value.details["status"], refused.value.details["code"]) == (409, "conflict")
    assert client.status().production == 1


def test_a_wrong_token_is_refused_in_the_gateways_words(server: GatewayServer, tmp_path: Path) -> None:
    with pytest.raises(GatewayRefusedError, match="Bearer") as refused:
        Client(server.url, "wrong").upload(photos(tmp_path / "photos", a=1))
    assert refused.value.details["status"] == 401


def test_a_client_says_at_once_that_nobody_answers() -> None:
    with pytest.raises(GatewayUnavailableError, match="binocular up"):
        Client(f"http://127.0.0.1:{free_port()}").status()


def test_a_patient_client_waits_for_the_gateway(server: GatewayServer, tmp_path: Path) -> None:
    settings = server.settings.model_copy(update={"gateway_port": free_port()})
    late = GatewayServer(tmp_path, settings)
    starting = threading.Thread(target=late.start)
    starting.start()
    try:
        assert Client(late.url, TOKEN, patience_s=60).status().model == NAME
    finally:
        starting.join()
        late.stop()
