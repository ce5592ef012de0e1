"""One process that does a step: in a process group of its own, its output in a log, ended for good when told to.

Every process carries marks in its environment, which its children inherit, so that those of a step, and those
that an earlier server left behind, are found in the process table itself.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil

from binocular import processes
from binocular.errors import TaskError

SERVER_MARK = "PIPELINES_OF"
EXECUTION_MARK = "PIPELINE_EXECUTION_ID"
GRACE_S = 2.0
LOOK_EVERY_S = 1.0
GONE_WITHIN_S = 10.0
LAST_LINES = 20
# How `binocular.logs` writes an error, as text or as JSON.
ERROR_EVENT = re.compile(r'\d{4}-\S+ ERROR |\{"time": "[^"]+", "level": "error"')
LAST_BYTES = 8192


class Process:
    """A step's process. `stop` may come from another thread, at any moment, also before it began."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.stopped = ""  # why it was ended, if it was
        self._popen: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()

    def run(
        self,
        command: list[str],
        folder: Path,
        environment: Mapping[str, str],
        timeout_s: float | None,
        meanwhile: Callable[[], None],
    ) -> int | None:
        """Start it and wait for its end: the exit code, or None where it was stopped.

        `meanwhile` is called now and then.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self._changing:
            if self.stopped:
                return None
            with self.log.open("ab") as output:
                self._popen = _start(command, folder, environment, output.fileno())
        deadline = time.monotonic() + timeout_s if timeout_s else None
        try:
            while (code := self._wait(deadline)) is None:
                meanwhile()
                if deadline is not None and time.monotonic() >= deadline:
                    self.stop(f"timed out after {timeout_s:g} s")
        finally:  # also what it left in its group
            processes.signal_group(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
        return None if self.stopped else code

    def _wait(self, deadline: float | None) -> int | None:
        if self._popen is None:
            return None
        left = LOOK_EVERY_S if deadline is None else min(LOOK_EVERY_S, max(deadline - time.monotonic(), 0.01))
        try:
            return self._popen.wait(left)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, why: str) -> None:
        """Ask the whole group to end, and end it where it does not."""
        with self._changing:
            self.stopped = self.stopped or why
        if self._popen is None or self._popen.poll() is not None:
            return
        processes.signal_group(self._popen.pid, signal.SIGTERM)
        end = time.monotonic() + GRACE_S
        while self._popen.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        processes.signal_group(self._popen.pid, signal.SIGKILL)


def _start(
    command: list[str], folder: Path, environment: Mapping[str, str], output: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise TaskError(f"{error.filename} is not on this machine, where images are not used") from None
    except (OSError, ValueError) as error:
        raise TaskError(f"{command[0]} cannot be started: {error}") from None


def last_lines(log: Path) -> str:
    """The end of a log, for the one who asks why a step failed; from the last error that a step of ours told."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    told = [place for place, line in enumerate(lines) if ERROR_EVENT.match(line)]
    return "\n".join(lines[told[-1] :][:LAST_LINES] if told else lines[-LAST_LINES:])


def marked(mark: str, value: str) -> list[psutil.Process]:
    """Every living process whose environment holds the mark with this value, this process excepted."""
    return [each for each in processes.marked(mark, value) if each.pid != os.getpid()]


def end_all(found: Iterable[psutil.Process]) -> None:
    """End processes at once and wait until they are gone; TaskError for one that cannot be ended."""
    found = list(found)
    for each in found:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    _, left = psutil.wait_procs(found, timeout=GONE_WITHIN_S)
    # One that ended and that nobody has collected yet does no harm.
    if alive := [each.pid for each in left if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]:
        raise TaskError(f"processes {alive} of an earlier step cannot be ended")
