"""What the load generator's connections have in common: one question at a time, asked again and again.

A protocol says how a question goes over the wire and when its answer is whole: `http_client.Http`,
`grpc_client.Grpc`.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field


@dataclass
class Told:
    """What came back."""

    took: list[float] = field(default_factory=list)
    failed: int = 0
    first_failure: str = ""

    def fail(self, why: str) -> None:
        """Count what was not answered well."""
        self.failed += 1
        self.first_failure = self.first_failure or why


class Connection(asyncio.Protocol, ABC):
    """Asks, and asks again when the answer is there, until the end."""

    def __init__(self, end: float, told: Told) -> None:
        self._end, self._told = end, told
        self._began = 0.0
        self._is_over = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the types
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._send()

    @abstractmethod
    def _send(self) -> None:
        """Put the question on the wire."""

    def _answered(self, failure: str = "", *, closes: bool = False) -> None:
        """Take a whole answer, good unless there is a failure to tell, and ask again if the server listens on."""
        now = time.perf_counter()
        if failure:
            self._told.fail(failure)
        else:
            self._told.took.append(now - self._began)
        if now < self._end and not closes:
            self._ask()
        else:
            self._is_over = True
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing comes any more."""
        if not self._is_over:
            self._told.fail(f"the connection broke: {error}")
        if not self.done.done():
            self.done.set_result(None)
