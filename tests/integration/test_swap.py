"""Production moves in the registry; what is served follows, forward and back, and nobody who asks notices."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Self

import numpy as np

from binocular import registry
from binocular.bundle import Bundle
from binocular.errors import ModelUnavailableError
from binocular.store import Store
from gateway.model import Model
from tests.modelserver import ROOT, ModelServer, asks
from tests.puller import NAME, PullerProcess, made, publish
from tests.servers import StoreServer, wait_until

CLIENTS = 16
MONITORING = ROOT / "serving" / "monitoring.config"
# Five on a machine of one's own; tests share theirs.
VISIBLE_WITHIN_S = 15


class Clients:
    """Many who ask without a pause; which version answered each, and who was not answered."""

    def __init__(self, server: ModelServer, request: object) -> None:
        self._server, self._request = server, request
        self._stop = threading.Event()
        self.versions: list[int] = []
        self.failed: list[Exception] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                self.versions.append(self._server.predict(self._request).model_spec.version.value)
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody was not answered
                self.failed.append(error)

    def see(self, version: int) -> float:
        """Wait until a version answers; how long that took."""
        started = time.monotonic()
        wait_until(lambda: self.versions[-1:] == [version], 60)
        return time.monotonic() - started

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_production_moves_forward_and_back_under_load_and_every_request_is_answered(
    store: Store, server: StoreServer, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path, 2)
    facts: Bundle = registry.facts(store, NAME, 1)
    request = asks(NAME, images=np.zeros((1, facts.height, facts.width, 3), np.uint8))
    registry.promote(store, NAME, 1, by="test", why="the first", over=None)
    base = tmp_path / "served"
    flags = (f"--model_name={NAME}", f"--model_base_path={base / NAME}", "--file_system_poll_wait_seconds=1")
    with PullerProcess(server, bucket, base) as puller:
        puller.offers(1)
        with ModelServer(tmp_path, *flags) as served, Clients(served, request) as clients:
            clients.see(1)
            registry.promote(store, NAME, 2, by="test", why="better", over=1)
            forward = clients.see(2)
            registry.promote(store, NAME, 1, by="test", why="worse after all", over=2)
            back = clients.see(1)

    assert clients.failed == []
    assert set(clients.versions) == {1, 2}
    assert max(forward, back) < VISIBLE_WITHIN_S


def test_of_several_servers_behind_one_name_each_gets_its_share(tmp_path: Path) -> None:
    """As behind a Service without an address of its own; one that goes is done without."""
    folder = tmp_path / NAME
    folder.mkdir()
    made(folder / "1", "the only one")
    flags = (f"--model_name={NAME}", f"--model_base_path={folder}", f"--monitoring_config_file={MONITORING}")
    with ModelServer(tmp_path, *flags) as first, ModelServer(tmp_path, *flags) as second:
        model = Model(f"127.0.0.1:{first.port},127.0.0.1:{second.port}", NAME, deadline_s=30)
        signature = model.signature()
        pixels = np.zeros((1, signature.height, signature.width, 3), np.uint8)

        def asked(server: ModelServer) -> int:
            page = server.get("/monitoring/prometheus/metrics").text
            line = f':tensorflow:serving:request_count{{model_name="{NAME}",status="OK"}} '
            return sum(int(float(each.removeprefix(line))) for each in page.splitlines() if each.startswith(line))

        wait_until(lambda: model.predict(pixels, signature) and min(asked(first), asked(second)) > 5)
        first.stop()

        def answers() -> bool:
            with contextlib.suppress(
                ModelUnavailableError
            ):  # a call may have been on its way to the one that went
                return bool(model.predict(pixels, signature))
            return False

        wait_until(answers)
        before = asked(second)
        for _ in range(10):
            model.predict(pixels, signature)
        assert asked(second) == before + 10
