"""One machine for tests: a home and ports of its own, and the `binocular` command in front of it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from binocular import embedded, processes
from binocular.settings import Settings, variable
from binocular.state import lock_owner, read_state
from binocular.store import Store, connect
from tests.servers import free_port, free_store_port

PARTS = ("store", "pipelines", "puller", "model", "gateway")
PORTS = ("kfp_port", "puller_port", "model_port", "model_rest_port", "gateway_port")


class Machine:
    """A home of its own, on ports of its own, and the command line in front of it."""

    def __init__(self, folder: Path, before: tuple[str, ...] = ()) -> None:
        """`before` stands before every command: where else it is to run."""
        self.folder = folder
        self.before = before
        ports: dict[str, Any] = {"store_port": free_store_port(), **{name: free_port() for name in PORTS}}
        self.settings = Settings(home=folder / ".binocular", **ports)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BINOCULAR_")},
            **{variable(name): str(port) for name, port in ports.items()},
        }

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Begin a `binocular` command."""
        return subprocess.Popen(
            [*self.before, sys.executable, "-m", "binocular", *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run a `binocular` command: exit code and output."""
        with self.start(*arguments, **variables) as process:
            output, _ = process.communicate(timeout=600)
            return process.returncode, output

    def pid(self, name: str) -> int | None:
        """The process of a part, or of the supervisor."""
        if name == "supervisor":
            return lock_owner(self.settings)
        state = read_state(self.settings)
        return next((part.pid for part in state.parts if part.name == name), None) if state else None

    def condition(self, name: str) -> str | None:
        """What the supervisor says of a part."""
        state = read_state(self.settings)
        return next((part.condition for part in state.parts if part.name == name), None) if state else None

    def store(self) -> Store:
        """The stack's object store."""
        return connect(self.settings)

    def assert_nothing_left(self) -> None:
        """No process and no port."""
        assert processes.ours(self.settings.home) == []
        assert lock_owner(self.settings) is None
        ports = [*embedded.ports(self.settings), *(getattr(self.settings, name) for name in PORTS)]
        assert [port for port in ports if not processes.is_free(port)] == []
