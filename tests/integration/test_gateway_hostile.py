"""What somebody who means harm sends does none: an answer in time, never an error of ours, and no memory kept."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from binocular.store import Store, connect
from tests import hostile
from tests.gateway_server import NAME, TOKEN, GatewayServer, picture, publish_facts, settings_for
from tests.modelfolders import SIDE, make_classifier, publish
from tests.modelserver import ModelServer

# Of the gateway's own: a model that does not answer, a store that does not. The rest is for a busy machine.
ANSWER_WITHIN_S = 60
LEAST = 200
# What HTTP itself says of a version or a coding that nobody knows.
NOT_SPOKEN = {501, 505}
# What /v1/retrain says here.
NOBODY_THERE = b"pipelines_unavailable"
MOST_BYTES, MOST_GROWTH = 250e6, 30e6


@pytest.fixture(scope="module")
def server(embedded_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    """A gateway of one worker that fetches from the web too, with a model behind it."""
    folder = tmp_path_factory.mktemp("hostile")
    publish(make_classifier(folder / "made", 0), folder / NAME, 1)
    with ModelServer(folder, f"--model_name={NAME}", f"--model_base_path={folder / NAME}") as model:
        changes = {"gateway_workers": 1, "gateway_fetch_urls": True, "gateway_fetch_s": 2, "gateway_queue_s": 60}
        settings = settings_for(
            folder / "home", embedded_store, model_address=f"127.0.0.1:{model.port}", **changes
        )
        publish_facts(connect(settings), folder / "facts", ("a", "b", "c"), SIDE, "run-1")
        with GatewayServer(folder, settings) as server:
            yield server


def answered(server: GatewayServer, sent: bytes) -> tuple[bytes, float]:
    """What comes back, and after how long."""
    began = time.monotonic()
    with socket.create_connection(
        ("127.0.0.1", server.settings.gateway_port), timeout=ANSWER_WITHIN_S
    ) as connection:
        answer = b""
        with contextlib.suppress(
            ConnectionResetError, BrokenPipeError
        ):  # it may close before it has read everything
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                answer += chunk
    return answer, time.monotonic() - began


def wrong(server: GatewayServer, each: hostile.Hostile) -> str:
    """What is wrong with how a request was answered; nothing where nothing is."""
    try:
        answer, took = answered(server, each.sent)
    except TimeoutError:
        return f"{each.name}: no answer within {ANSWER_WITHIN_S} s"
    statuses = {int(found) for found in re.findall(rb"^HTTP/1\.[01] (\d{3})", answer, re.MULTILINE)}
    ours = {status for status in statuses if status >= 500} - NOT_SPOKEN
    if ours and NOBODY_THERE not in answer:
        return f"{each.name}: {answer[:300]!r}"
    if b"Traceback" in answer or TOKEN.encode() in answer:
        return f"{each.name}: it tells too much: {answer[:300]!r}"
    return "" if took < ANSWER_WITHIN_S else f"{each.name}: {took:.0f} s"


def test_whatever_is_sent_does_no_harm(server: GatewayServer) -> None:
    assert server.predict(picture()).status_code == 200
    assert server.process is not None
    [worker] = psutil.Process(server.process.pid).children()
    corpus, memory = list(hostile.requests(TOKEN)), list[int]()
    assert len(corpus) >= LEAST
    for _ in range(2):
        problems = [problem for each in corpus if (problem := wrong(server, each))]
        assert problems == []
        memory.append(worker.memory_info().rss)
    assert worker.is_running()
    assert server.predict(picture()).status_code == 200
    assert memory[0] < MOST_BYTES
    assert memory[1] - memory[0] < MOST_GROWTH
    log = server.log.read_text()
    assert "Traceback" not in log
    assert TOKEN not in log
