"""A whole Binocular of its own, in a folder that is thrown away.

with Stack(folder) as stack:
    stack.publish(made)
    stack.address     # the gateway's host:port
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import psutil
import urllib3

from benchmarks.models import NAME, Made
from binocular import embedded, registry
from binocular.parts import gateway_url
from binocular.processes import is_free
from binocular.settings import PREFIX, Settings, variable
from binocular.state import read_state
from binocular.store import Store, connect

PORTS = ("kfp_port", "puller_port", "model_port", "model_rest_port", "gateway_port")
READY_WITHIN_S = 120
OK = 200


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    """Return when the address answers well."""
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        try:
            if urllib3.request("GET", url, timeout=5, retries=False).status == OK:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} did not answer well within {READY_WITHIN_S} s")


def _store_port() -> int:
    places = range(20_000 + os.getpid() % 10_000, 55_000, embedded.PORTS)
    return next(port for port in places if all(map(is_free, embedded.ports(Settings(store_port=port)))))


class Stack:
    """`binocular up` on ports of its own."""

    def __init__(self, folder: Path) -> None:
        ports: dict[str, Any] = {"store_port": _store_port(), **{name: free_port() for name in PORTS}}
        self.folder = folder
        self.settings = Settings(home=folder / "home", model_name=NAME, **ports)
        changed = {"home": self.settings.home, "model_name": NAME, **ports}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
            **{variable(name): str(value) for name, value in changed.items()},
        }

    def __enter__(self) -> Self:
        try:
            self.binocular("up")
        except BaseException:  # cut off halfway: what is up already shall not stay
            self.binocular("down")
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.binocular("down")

    def binocular(self, *arguments: str) -> str:
        """What a `binocular` command says."""
        result = subprocess.run(
            [sys.executable, "-m", "binocular", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode:
            raise SystemExit(f"binocular {' '.join(arguments)}: {result.stdout[-2000:]}")
        return result.stdout

    @property
    def url(self) -> str:
        """The gateway's."""
        return gateway_url(self.settings)

    @property
    def address(self) -> str:
        """The gateway's host and port."""
        return self.url.removeprefix("http://")

    @property
    def store(self) -> Store:
        """Its object store."""
        return connect(self.settings)

    def publish(self, made: Made) -> None:
        """Bring a model into production, and wait until it is served."""
        version = registry.publish_version(self.store, NAME, made.version)
        registry.promote(self.store, NAME, version, by="benchmark", why="to measure it", over=None)
        wait_for(f"{self.url}/readyz")

    def processes(self, *parts: str) -> list[psutil.Process]:
        """The processes of these parts, which have children of their own."""
        state = read_state(self.settings)
        found = state.parts if state else []
        return [psutil.Process(part.pid) for part in found if part.name in parts and part.pid]
