"""Predictions over HTTP: the limit, Binocular, and what people would use instead, with one model and one client.

Each round every contestant has a turn with each kind of photo and number of connections. Clients and servers share
the machine's cores, as do the contestants; those that are not asked rest.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks.asking import asked
from benchmarks.http_client import request
from benchmarks.limit import limit
from benchmarks.models import Made, make
from benchmarks.page import Bars, Row, Table
from benchmarks.rivals import rivals
from benchmarks.stack import Stack
from benchmarks.timing import SHOW, Turn, in_turns, middle, processor_s, ratio
from binocular.sample.drawing import render
from binocular.sample.phone import phone_photo

LIMIT, OURS, OURS_INT8 = "the limit", "Binocular", "Binocular, int8"
SMALL_SIDE = 320
# Photos with the connections to send them on.
CASES = (("20-kB photos", (1, 16, 64)), ("12-megapixel photos", (1, 16)))
MANY = 16
WARM_S = 1.0


@dataclass(frozen=True)
class Server:
    """Somebody who answers over HTTP."""

    address: str
    message: Callable[[bytes], bytes]
    processes: Callable[[], list[psutil.Process]]

    def turn(self, photo: Path, connections: int, seconds: float) -> Turn:
        """Ask about a photo, again and again."""
        file = photo.with_suffix(".request")
        file.write_bytes(self.message(photo.read_bytes()))
        asked(self.address, file, connections, WARM_S)
        before = processor_s(self.processes())
        found = asked(self.address, file, connections, seconds)
        count = int(found["count"]) or 1
        if found["failed"]:
            SHOW.print(f"{self.address}: {found['failed']} failed: {found['first_failure']}", markup=False)
        return Turn(
            count,
            found["seconds"],
            found["p50_ms"],
            found["p95_ms"],
            1000 * (processor_s(self.processes()) - before) / count,
            1000 * found["cpu_s"] / count,
            int(found["failed"]),
        )


def measure(rounds: int, seconds: float, *, alpha: float, side: int, peers: bool) -> Table:
    """Everybody, in turns."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        SHOW.print("making the model")
        made, quantised = make(folder / "model", alpha, side), make(folder / "int8", alpha, side, int8=True)
        photos = {kind: folder / f"{number}.jpg" for number, (kind, _) in enumerate(CASES)}
        for path, data in zip(
            photos.values(), (render("glass", 1, SMALL_SIDE, 0), phone_photo("glass", 1)), strict=True
        ):
            path.write_bytes(data)
        with _servers(made, quantised, peers=peers) as servers:
            rows, plots = list[Row](), list[Bars]()
            for kind, counts in CASES:
                for connections in counts:
                    SHOW.print(f"{kind}, {connections} connections")
                    alone = {"workers": 1} if connections == 1 else {}
                    contestants: dict[str, Callable[[], Turn]] = {
                        LIMIT: partial(limit, made.litert, photos[kind], side, seconds, **alone)
                    }
                    for name, server in servers.items():
                        contestants[name] = partial(server.turn, photos[kind], connections, seconds)
                    turns = in_turns(contestants, rounds)
                    rows += _rows(kind, connections, turns)
                    if connections == MANY:
                        rates = {name: middle(own, lambda it: it.rate) for name, own in turns.items()}
                        plots.append(Bars(f"{kind} a second, {MANY} connections", rates))
    says = (
        f"MobileNetV2 {alpha} at {side} pixels, random weights; {rounds} rounds of {seconds:.0f} s each, medians."
    )
    return Table("Predictions", says, rows, plots)


def ours(stack: Stack) -> Server:
    """Binocular, with all of its processes that work for a prediction."""
    processes = partial(stack.processes, "gateway", "model", "store")
    return Server(stack.address, lambda photo: request("/v1/predict", photo, "image/jpeg"), processes)


@contextlib.contextmanager
def _servers(made: Made, quantised: Made, *, peers: bool) -> Iterator[dict[str, Server]]:
    """Everybody who answers over HTTP."""
    with contextlib.ExitStack() as others:
        found = {}
        for name, own in ((OURS, made), (OURS_INT8, quantised)):
            stack = others.enter_context(Stack(own.folder))
            stack.publish(own)
            found[name] = ours(stack)
        for rival in others.enter_context(rivals(made)) if peers else []:
            found[rival.name] = Server(rival.address, rival.message, partial(_only, rival.process))
        yield found


def _only(process: psutil.Process) -> list[psutil.Process]:
    return [process]


def _rows(kind: str, connections: int, turns: dict[str, list[Turn]]) -> list[Row]:
    return [
        {
            "photos": kind,
            "connections": connections,
            "who": name,
            "images/s": round(middle(own, lambda it: it.rate), 1),
            "of the limit": round(ratio(own, turns[LIMIT]), 2),
            "Binocular is faster by": round(ratio(turns[OURS], own), 2),
            "p50 ms": round(middle(own, lambda it: it.p50_ms), 1),
            "p95 ms": round(middle(own, lambda it: it.p95_ms), 1),
            "CPU ms/image": round(middle(own, lambda it: it.cpu_ms), 2),
            "client CPU ms/image": round(middle(own, lambda it: it.client_cpu_ms), 2),
            "failed": sum(it.failed for it in own),
        }
        for name, own in turns.items()
    ]
