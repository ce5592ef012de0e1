"""Processes of this machine: which are ours, who holds a port, and ending them for good.

Every process that Binocular supervises carries a mark in its environment, which its children inherit. So
what is ours is read from the process table itself; a pid file that outlived its process cannot mislead.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

MARK = "SUPERVISED_BY_BINOCULAR"
LONGEST_COMMAND = 80


def mark(home: Path) -> dict[str, str]:
    """What the environment of a process holds to say that it belongs to the stack in `home`."""
    return {MARK: str(home)}


def ours(home: Path) -> list[psutil.Process]:
    """Every living process of the stack in `home`, children of children included."""
    return marked(MARK, str(home))


def marked(mark: str, value: str) -> list[psutil.Process]:
    """Every living process whose environment holds a mark with this value."""
    return [process for process in psutil.process_iter() if _mark_of(process, mark) == value]


def stop(processes: Iterable[psutil.Process], patience_s: float) -> None:
    """Ask processes to end, and end those that have not after `patience_s`."""
    processes = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=patience_s)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=patience_s)


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal a process and all that it started, which share its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


def ended(code: int) -> str:
    """The exit code of a process in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):  # some signals have no name
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def holder(port: int) -> str:
    """Who listens on a port, in words."""
    for process in listeners(port):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline()) or process.name()
            return f"process {process.pid} ({command[:LONGEST_COMMAND]})"
    return "another process, which this user may not see"


def listeners(port: int) -> Iterator[psutil.Process]:
    """The processes that listen on a port, as far as this user may see them."""
    with contextlib.suppress(psutil.Error):  # some systems show connections to root alone
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN and connection.laddr
            if listening and listening.port == port and connection.pid:
                with contextlib.suppress(psutil.NoSuchProcess):
                    yield psutil.Process(connection.pid)


def _mark_of(process: psutil.Process, mark: str) -> str | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        found: str | None = process.environ().get(mark)
        return found
    except (psutil.Error, OSError):
        return None  # ended meanwhile, or somebody else's
