"""A load generator that costs little: connections that stay open and ask the same again and again.

    python -m benchmarks.asking 127.0.0.1:8080 request.bin --connections 16 --seconds 4
    python -m benchmarks.asking 127.0.0.1:8500 message.bin --grpc /tensorflow.serving.PredictionService/Predict

The file holds the whole HTTP request, head and body; or the message of a gRPC call.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.connection import Connection, Told
from benchmarks.grpc_client import Grpc
from benchmarks.http_client import Http
from benchmarks.timing import quantile_ms

# What the last answers get once nobody asks any more.
PATIENCE_S = 60


async def ask(
    address: str, protocol: Callable[[float, Told], Connection], connections: int, seconds: float
) -> Told:
    """Ask on so many connections for so long."""
    host, _, port = address.rpartition(":")
    told, loop = Told(), asyncio.get_running_loop()
    end = time.perf_counter() + seconds

    async def one() -> None:
        """Ask on a connection, and on a new one where the server closes it."""
        while time.perf_counter() < end:
            _, made = await loop.create_connection(lambda: protocol(end, told), host, int(port))
            await made.done

    await asyncio.wait([asyncio.create_task(one()) for _ in range(connections)], timeout=seconds + PATIENCE_S)
    return told


@click.command()
@click.argument("address")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--grpc", default="", help="Path of a gRPC method.")
@click.option("--connections", default=16)
@click.option("--seconds", default=4.0)
def main(address: str, file: Path, grpc: str, connections: int, seconds: float) -> None:
    """Ask, and print what came of it as JSON."""
    message = file.read_bytes()
    protocol = partial(Grpc, grpc, message) if grpc else partial(Http, message)
    began, cpu = time.perf_counter(), time.process_time()
    told = asyncio.run(ask(address, protocol, connections, seconds))
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


def asked(address: str, file: Path, connections: int, seconds: float, grpc: str = "") -> dict[str, Any]:
    """The same, in a process of its own."""
    options = [f"--grpc={grpc}", f"--connections={connections}", f"--seconds={seconds}"]
    command = [sys.executable, "-m", "benchmarks.asking", address, str(file), *options]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


if __name__ == "__main__":
    main()
