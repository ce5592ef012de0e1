"""Real object stores for the tests: the embedded SeaweedFS, and a MinIO where there is one."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest

from binocular import embedded
from binocular.errors import BinocularError
from binocular.processes import is_free
from binocular.settings import Settings, load
from binocular.store import Store, connect

START_WITHIN_S = 60
STOP_WITHIN_S = 5


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_store_port() -> int:
    """A port with which every port of the embedded store is free."""
    for port in range(20_000 + os.getpid() % 10_000, embedded.GRPC_OFFSET * 4, embedded.PORTS):
        if all(is_free(each) for each in embedded.ports(Settings(store_port=port))):
            return port
    raise AssertionError("no free ports")


def wait_until(condition: Callable[[], object], seconds: float = START_WITHIN_S) -> None:
    """Return as soon as the condition is true; fail when it is not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


class StoreServer(ABC):
    """An object store server that a test may kill and start again."""

    settings: Settings

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> tuple[list[str], Path, dict[str, str]]:
        """Arguments, working directory and environment."""

    def start(self) -> None:
        """Start the server and wait until it serves."""
        arguments, folder, environment = self.command()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                arguments, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT
            )
        store = self.store(store_timeout_s=1, store_deadline_s=1)
        wait_until(lambda: _answers(store))

    def kill(self) -> None:
        """End the server without warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the server."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_WITHIN_S)
            self._process.kill()
            self._process.wait()
            self._process = None

    def store(self, **changes: object) -> Store:
        """A connection, with some settings changed."""
        return connect(self.settings.model_copy(update=changes))

    def drop(self, bucket: str) -> None:
        """Delete a bucket of this store."""
        drop_bucket(self.store(store_bucket=bucket, store_timeout_s=5, store_deadline_s=5))


def drop_bucket(store: Store) -> None:
    """Delete a store's bucket: an embedded store sets a volume aside for each."""
    with contextlib.suppress(BinocularError):  # a test may have ended the server
        store.delete(*(entry.key for entry in store.entries()))
        store._call("drop", lambda client: client.remove_bucket(store.endpoint.bucket))


def _answers(store: Store) -> bool:
    with contextlib.suppress(BinocularError):
        store.ensure_bucket()
        return True
    return False


class SeaweedFS(StoreServer):
    """The embedded store, started as `binocular up` starts it."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self._options = options
        self.settings = Settings(home=folder, store_port=free_store_port(), store_deadline_s=60)

    def command(self) -> tuple[list[str], Path, dict[str, str]]:
        """As the part does."""
        (embedded.folder(self.settings) / "data").mkdir(parents=True, exist_ok=True)
        command = [*embedded.command(self.settings), *self._options]
        return command, embedded.folder(self.settings), embedded.environment(self.settings)


class MinIO(StoreServer):
    """A MinIO server."""

    USER = "binocular-test"
    PASSWORD = "only-for-this-test-run"  # noqa: S105

    def __init__(self, folder: Path, binary: Path) -> None:
        super().__init__(folder)
        self._binary = binary
        self._console = free_port()
        self.settings = Settings.model_validate(
            {
                "home": folder,
                "store_url": f"http://127.0.0.1:{free_port()}",
                "store_access_key": self.USER,
                "store_secret_key": self.PASSWORD,
                "store_deadline_s": 60,
            }
        )

    def command(self) -> tuple[list[str], Path, dict[str, str]]:
        """On loopback, console included."""
        address = self.settings.store_url.removeprefix("http://")
        arguments = ["server", "data", "--address", address, "--console-address", f"127.0.0.1:{self._console}"]
        environment = {"MINIO_ROOT_USER": self.USER, "MINIO_ROOT_PASSWORD": self.PASSWORD}
        return [str(self._binary), *arguments], self.folder, environment


def find_minio() -> Path:
    """The MinIO to test against: named by the setting, on PATH, or built by `make minio`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    candidates = [load().minio_binary, shutil.which("minio"), cache / "binocular" / "bin" / "minio"]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    pytest.skip("no MinIO server: none named by BINOCULAR_MINIO_BINARY, on PATH, or built by `make minio`")
