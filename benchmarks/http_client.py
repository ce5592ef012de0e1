"""A load generator that costs little: connections that stay open and send the same request again and again.

    python -m benchmarks.http_client 127.0.0.1:8080 request.bin --connections 16 --seconds 4

The file holds the whole request, head and body. Answers are read as far as they must be: status, length, body.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.timing import quantile_ms

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
OK = b"200"


def request(path: str, body: bytes, content_type: str) -> bytes:
    """A POST request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Told:
    """What came back."""

    took: list[float] = field(default_factory=list)
    failed: int = 0
    first_failure: str = ""


class Connection(asyncio.Protocol):
    """Sends the request, and sends it again when the answer is there."""

    def __init__(self, message: bytes, end: float, told: Told) -> None:
        self._message, self._end, self._told = message, end, told
        self._began = 0.0
        self._came = bytearray()
        self._expected = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the types
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._came.clear()
        self._expected = 0
        self._began = time.perf_counter()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        """Part of an answer, as a rule all of it."""
        self._came += data
        if not self._expected:
            head = self._came.find(HEAD_END)
            if head < 0:
                return
            lines = bytes(self._came[:head]).lower().split(b"\r\n")
            length = next((int(line[len(LENGTH) :]) for line in lines if line.startswith(LENGTH)), 0)
            self._expected = head + len(HEAD_END) + length
        if len(self._came) >= self._expected:
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        if self._came[9:12] == OK:
            self._told.took.append(now - self._began)
        else:
            self._told.failed += 1
            self._told.first_failure = self._told.first_failure or bytes(self._came[:500]).decode(errors="replace")
        if now < self._end:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing comes any more."""
        if time.perf_counter() < self._end:
            self._told.failed += 1
            self._told.first_failure = self._told.first_failure or f"the connection broke: {error}"
        if not self.done.done():
            self.done.set_result(None)


async def ask(address: str, message: bytes, connections: int, seconds: float) -> Told:
    """Ask on so many connections for so long."""
    host, _, port = address.rpartition(":")
    told, loop = Told(), asyncio.get_running_loop()
    end = time.perf_counter() + seconds
    made = [
        await loop.create_connection(lambda: Connection(message, end, told), host, int(port))
        for _ in range(connections)
    ]
    await asyncio.wait([protocol.done for _, protocol in made], timeout=seconds + 60)
    return told


@click.command()
@click.argument("address")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--connections", default=16)
@click.option("--seconds", default=4.0)
def main(address: str, file: Path, connections: int, seconds: float) -> None:
    """Ask, and print what came of it as JSON."""
    message = file.read_bytes()
    began, cpu = time.perf_counter(), time.process_time()
    told = asyncio.run(ask(address, message, connections, seconds))
    took = time.perf_counter() - began
    print(
        json.dumps(
            {
                "count": len(told.took),
                "seconds": took,
                "p50_ms": quantile_ms(told.took, 0.5) if told.took else 0,
                "p95_ms": quantile_ms(told.took, 0.95) if told.took else 0,
                "cpu_s": time.process_time() - cpu,
                "failed": told.failed,
                "first_failure": told.first_failure,
            }
        )
    )


def asked(address: str, file: Path, connections: int, seconds: float) -> dict[str, Any]:
    """The same, in a process of its own."""
    options = [f"--connections={connections}", f"--seconds={seconds}"]
    command = [sys.executable, "-m", "benchmarks.http_client", address, str(file), *options]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


if __name__ == "__main__":
    main()
