"""The memory of the gateway's and the other parts' processes, where they run on this machine."""

import contextlib
import statistics
from collections import defaultdict
from collections.abc import Mapping
from urllib.parse import urlsplit

import psutil

from binocular.processes import listeners
from binocular.settings import Settings

HERE = {"localhost", "127.0.0.1", "::1"}
MB = 1e6
# A process that was there for less of a third says nothing about growth.
LEAST_READINGS = 3


class Memory:
    """Readings of every process of the parts that listen on this machine."""

    def __init__(self, url: str, settings: Settings) -> None:
        here = urlsplit(url)
        # Who looks from elsewhere sees other processes on these ports, or none.
        self._ports: Mapping[str, int] = (
            {
                "gateway": here.port or 80,
                "model server": settings.model_port,
                "store": settings.store_port,
                "pipelines": settings.kfp_port,
            }
            if here.hostname in HERE
            else {}
        )
        # Of each part, and of each process by its name, MB at seconds of the run.
        self.parts: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._processes: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def look(self, now: float) -> None:
        """Take a reading."""
        for part, port in self._ports.items():
            self.note(part, _family(port), now)

    def note(self, part: str, sizes: Mapping[int, float], now: float) -> None:
        """Remember the MB of each process of a part."""
        for pid, size in sizes.items():
            self._processes[f"{part} {pid}"].append((now, size))
        if sizes:
            self.parts[part].append((now, sum(sizes.values())))

    def growth(self, seconds: float) -> dict[str, float]:
        """By how much each process is larger in the last third of the run than in the first, as a share."""
        found = {}
        for name, readings in self._processes.items():
            first = [size for at, size in readings if at <= seconds / 3]
            last = [size for at, size in readings if at >= seconds * 2 / 3]
            if min(len(first), len(last)) >= LEAST_READINGS:
                found[name] = statistics.mean(last) / statistics.mean(first) - 1
        return found


def _family(port: int) -> dict[int, float]:
    """The MB of each process that listens on a port and of its children, since workers share their parent's."""
    found: dict[int, float] = {}
    for process in listeners(port):
        with contextlib.suppress(psutil.Error):
            for each in (process, *process.children(recursive=True)):
                found[each.pid] = each.memory_info().rss / MB
    return found
