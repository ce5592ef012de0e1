"""One version of one model, from the wish to serve it to its end."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from binocular.wire.codes import StatusCode
from serving.server.engines import Engine


class State(Enum):
    """Where a version is in its life; the numbers are the wire's."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass
class Servable:
    """A version. Its fields change under the lock of the `Models` that hold it."""

    model: str
    version: int
    path: Path
    state: State = State.START
    engine: Engine | None = None
    in_use: int = 0
    code: StatusCode = StatusCode.OK
    message: str = ""

    @property
    def alive(self) -> bool:
        """Whether it is, or is about to be, in memory."""
        return self.state is not State.END

    def failed(self, code: StatusCode, message: str) -> None:
        """It could not be loaded."""
        self.state, self.code, self.message = State.END, code, message

    @property
    def ready_engine(self) -> Engine:
        """The engine of an available version."""
        if self.engine is None:
            raise AssertionError(f"{self.model} {self.version} is {self.state.name} and has no engine")
        return self.engine
