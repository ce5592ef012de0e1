"""The gateway as a process under gunicorn: starting, ending, reloading, counting, and what it costs."""

import contextlib
import io
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from PIL import Image

from binocular.store import Store, connect
from tests.gateway_server import NAME, TOKEN, GatewayServer, picture, publish_facts, settings_for
from tests.modelfolders import SIDE, make_classifier, publish
from tests.modelserver import ModelServer
from tests.servers import wait_until


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A model server."""
    folder = tmp_path_factory.mktemp("model")
    publish(make_classifier(folder / "made", 0), folder / NAME, 1)
    with ModelServer(folder, f"--model_name={NAME}", f"--model_base_path={folder / NAME}") as server:
        yield server


@pytest.fixture
def server(model: ModelServer, embedded_store: Store, tmp_path: Path) -> Iterator[GatewayServer]:
    """A gateway of two workers in front of it."""
    changes = {"gateway_workers": 2, "log_format": "json", "gateway_queue_s": 60}
    settings = settings_for(tmp_path / "home", embedded_store, model_address=f"127.0.0.1:{model.port}", **changes)
    publish_facts(connect(settings), tmp_path / "facts", ("a", "b", "c"), SIDE, "run-1")
    with GatewayServer(tmp_path, settings) as server:
        yield server


def photo(form: str) -> bytes:
    """12 megapixels, smooth as photos are."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((4000, 3000)).save(out, form, compress_level=1)
    return out.getvalue()


def workers(server: GatewayServer) -> list[psutil.Process]:
    assert server.process is not None
    return psutil.Process(server.process.pid).children()


def test_two_workers_count_together_and_log_one_line_a_request(server: GatewayServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: server.predict(picture(n)), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    text = requests.get(f"{server.url}/metrics", timeout=30).text
    assert 'binocular_requests_total{method="POST",route="/v1/predict",status="200"} 40.0' in text
    assert 'binocular_predictions_total{label="a",version="1"} 40.0' in text
    assert 'binocular_phase_seconds_count{phase="decode"} 40.0' in text
    log = server.log.read_text()
    assert log.count('"path": "/v1/predict"') == 40
    assert answers[0].headers["X-Request-Id"] in log
    assert TOKEN not in log


def test_connections_that_come_at_once_and_stay_are_shared_by_the_workers(server: GatewayServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")

    def fewest_of_16() -> int:
        """Of sixteen connections that stay, how many are with the worker that has the fewest."""
        with contextlib.ExitStack() as open_ones:
            for _ in range(16):
                one = open_ones.enter_context(socket.create_connection((host, int(port)), timeout=30))
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert one.recv(1000)
            return min(map(open_connections, workers(server)))

    wait_until(lambda: fewest_of_16() >= 6)  # as soon as both have started

    def asks_and_leaves(_: int) -> int:
        return int(requests.get(f"{server.url}/healthz", timeout=30).status_code)

    # One that cannot take its share holds up nobody.
    stuck = workers(server)[0]
    stuck.suspend()
    try:
        with ThreadPoolExecutor(8) as pool:
            began = time.monotonic()
            assert set(pool.map(asks_and_leaves, range(40))) == {200}
            assert time.monotonic() - began < 5
    finally:
        stuck.resume()


def test_a_large_body_in_pieces_is_read_to_its_end_and_no_further(server: GatewayServer) -> None:
    data = photo("PNG")
    assert len(data) > 3 << 20
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as peer:
        whole = head.encode() + data + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        for start in range(0, len(whole), 700_001):
            peer.sendall(whole[start : start + 700_001])
            time.sleep(0.02)
        answers = b"".join(iter(lambda: peer.recv(1 << 16), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"200"]

    with socket.create_connection((host, int(port)), timeout=60) as peer:
        peer.sendall(head.encode() + data[: len(data) // 2])
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1 << 16).startswith(b"HTTP/1.1 400")


def open_connections(worker: psutil.Process) -> int:
    return sum(each.status == psutil.CONN_ESTABLISHED for each in worker.net_connections("tcp"))


def test_a_worker_is_small_also_after_large_photos_and_a_look_at_trainings(server: GatewayServer) -> None:
    for form in ("JPEG", "PNG"):
        data = photo(form)
        with ThreadPoolExecutor(8) as pool:
            assert {each.status_code for each in pool.map(server.predict, [data] * 4)} == {200}
    for _ in range(6):
        assert requests.get(f"{server.url}/v1/runs", timeout=60).status_code == 503  # nobody is there
    for worker in workers(server):
        libraries = {Path(each.path).name for each in worker.memory_maps()}
        assert not [name for name in libraries if "tensorflow" in name]
        assert worker.memory_info().rss < 120e6


def test_requests_in_flight_are_answered_when_it_is_ended(server: GatewayServer) -> None:
    large = picture(1, "PNG", (1200, 900))
    with ThreadPoolExecutor(50) as pool:
        begun = threading.Barrier(51)

        def ask() -> int | str:
            begun.wait(60)
            try:
                return int(server.predict(large).status_code)
            except requests.ConnectionError as error:
                return "refused" if "refused" in str(error) else f"broken off: {error}"

        asking = [pool.submit(ask) for _ in range(50)]
        begun.wait(60)
        wait_until(lambda: sum(each.done() for each in asking) > 3)
        server.stop(signal.SIGTERM)
        answers = [each.result() for each in asking]
    # Whom nobody listens to any more is told so at once.
    assert set(answers) <= {200, "refused"}
    assert answers.count(200) > 3


@pytest.fixture(scope="module")
def narrow(
    model: ModelServer, embedded_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayServer]:
    """A gateway that predicts one image at a time and has little patience."""
    folder = tmp_path_factory.mktemp("narrow")
    changes = {"gateway_workers": 1, "gateway_threads": 1, "gateway_queue_s": 0.2, "gateway_receive_s": 2}
    settings = settings_for(folder / "home", embedded_store, model_address=f"127.0.0.1:{model.port}", **changes)
    publish_facts(connect(settings), folder / "facts", ("a", "b", "c"), SIDE, "run-1")
    with GatewayServer(folder, settings) as server:
        yield server


def test_more_than_it_can_bear_is_refused_and_the_rest_is_answered(narrow: GatewayServer) -> None:
    large = photo("JPEG")
    wait_until(lambda: narrow.predict(large).status_code == 200)
    with ThreadPoolExecutor(40) as pool:
        asking = [pool.submit(narrow.predict, large) for _ in range(40)]
        assert requests.get(f"{narrow.url}/healthz", timeout=30).ok
        answers = [each.result() for each in asking]
    assert {each.status_code for each in answers} == {200, 503}
    refused = [each for each in answers if each.status_code == 503]
    assert {each.json()["code"] for each in refused} == {"overloaded"}
    assert all(int(each.headers["Retry-After"]) > 0 for each in refused)
    wait_until(lambda: narrow.predict(large).status_code == 200)
    told = requests.get(f"{narrow.url}/metrics", timeout=30).text
    assert re.search(r'^binocular_turned_away_total\{reason="overload"\} [1-9]', told, re.MULTILINE)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /healthz HT",
        b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 999\r\n\r\nx",
    ],
)
def test_clients_that_never_come_to_an_end_hold_nobody_up_for_long(narrow: GatewayServer, begun: bytes) -> None:
    address = ("127.0.0.1", narrow.settings.gateway_port)
    with contextlib.ExitStack() as stack:
        for _ in range(120):  # more than there are threads
            stack.enter_context(socket.create_connection(address, timeout=30)).sendall(begun)
        wait_until(lambda: narrow.predict(picture()).status_code == 200)


def test_reloading_under_load_fails_nobody(server: GatewayServer) -> None:
    before = {worker.pid for worker in workers(server)}
    stop = threading.Event()

    def ask_on() -> list[int]:
        found = []
        while not stop.is_set():
            found.append(server.predict(picture()).status_code)
        return found

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_on) for _ in range(4)]
        try:
            assert server.process is not None
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(workers(server)) == 2 and not before & {each.pid for each in workers(server)})
        finally:
            stop.set()
        answers = [status for each in asking for status in each.result()]
    assert set(answers) == {200}


def test_a_worker_that_is_killed_is_replaced(server: GatewayServer) -> None:
    victim = workers(server)[0]
    victim.kill()
    wait_until(lambda: victim.pid not in {each.pid for each in workers(server)} and len(workers(server)) == 2)
    wait_until(lambda: server.predict(picture()).status_code == 200)


def test_photos_of_answers_can_be_corrected_although_every_worker_was_killed(server: GatewayServer) -> None:
    said = server.predict(picture()).json()
    for worker in workers(server):
        worker.kill()  # before the store has the photo
    told = {"id": said["id"], "label": "a"}
    wait_until(lambda: bool(server.predict(picture(1)).ok))
    authorization = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.post(f"{server.url}/v1/feedback", json=told, headers=authorization, timeout=60)
    assert (said["kept"], answer.status_code) == (True, 200)


def test_it_starts_in_little_time(server: GatewayServer) -> None:
    server.stop()
    began = time.monotonic()
    server.start()
    assert time.monotonic() - began < 20
