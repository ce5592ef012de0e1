"""Starting, stopping and describing the parts of one machine: what `binocular up`, `down`, `status` do."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from binocular import follow, processes, state
from binocular.errors import AlreadyRunningError, DiskFullError, ProcessError
from binocular.settings import Settings, variable
from binocular.state import PartState, State
from binocular.store import connect
from binocular.supervisor import EXIT_LOCKED, STOP_WITHIN_S, TICK_S

DOWN_WITHIN_S = 60.0
LOCKED_WITHIN_S = 2.0
LAST_LINES = 15
# Logs, the parts' databases and an empty store.
LEAST_FREE_BYTES = 1_000_000


def up(settings: Settings) -> Iterator[PartState]:
    """Start everything, yielding each part when it is ready. An error or a Ctrl-C stops what was started."""
    if state.is_locked(settings):
        raise AlreadyRunningError(
            "it is running already: see `binocular status`, or stop it with `binocular down`"
        )
    for folder in (settings.home, state.run_folder(settings), state.log_folder(settings)):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (state.run_folder(settings) / state.STATE).unlink(missing_ok=True)
    ask_for_room(settings)
    if settings.store_url:
        connect(settings).ensure_bucket()
    process = _spawn(settings)
    try:
        yield from _await_ready(settings, process)
    except AlreadyRunningError:
        raise
    except BaseException:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):  # what went wrong first is what counts
                process.wait(DOWN_WITHIN_S)
        raise


def ask_for_room(settings: Settings) -> None:
    """DiskFullError where there is no room for logs and for what is known of the parts."""
    free = shutil.disk_usage(settings.home).free
    if free < LEAST_FREE_BYTES:
        raise DiskFullError(
            f"the disk of {settings.home} is full ({free // 1000} kB free): make room, or set {variable('home')}"
            " to a folder on another disk; `binocular doctor` says how much is needed"
        )


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the supervisor so that it outlives this command and its terminal."""
    with (state.log_folder(settings) / "supervisor.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "binocular.supervisor"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, variable("home"): str(settings.home)},
        )


def _await_ready(settings: Settings, process: subprocess.Popen[bytes]) -> Iterator[PartState]:
    seen: set[str] = set()
    while True:
        ended = process.poll()
        known = state.read_state(settings)
        if ended == EXIT_LOCKED:
            raise AlreadyRunningError("it was started by somebody else at the same moment: see `binocular status`")
        if ended is not None:
            raise ProcessError(_why(settings, known))
        if known is not None and known.pid == process.pid and not known.error:
            for part in known.parts:
                if part.condition == "ready" and part.name not in seen:
                    seen.add(part.name)
                    yield part
            if len(seen) == len(known.parts):
                return
        time.sleep(TICK_S)


def _why(settings: Settings, known: State | None) -> str:
    """Why the supervisor ended; where it could not say so, the end of its log."""
    if known is not None and known.error:
        return known.error
    ask_for_room(settings)
    path = state.log_folder(settings) / "supervisor.log"
    last = (line for _, line in follow.lines(settings, ("supervisor",), LAST_LINES, following=False))
    return "\n".join([f"the supervisor ended; its log, {path}, ends with", *last])


def down(settings: Settings) -> bool:
    """Stop everything, whatever state it is in; False if nothing was running."""
    running = state.is_locked(settings)
    if running:
        _end_supervisor(settings)
    left = processes.ours(settings.home)
    processes.stop(left, STOP_WITHIN_S)
    (state.run_folder(settings) / state.STATE).unlink(missing_ok=True)
    if still := processes.ours(settings.home):
        raise ProcessError(
            f"processes {[p.pid for p in still]} cannot be ended; they may wait for a disk or a debugger"
        )
    return running or bool(left)


def _end_supervisor(settings: Settings) -> None:
    """Let the supervisor stop its parts, or end it if it does not."""
    # It writes who it is a moment after it has the lock.
    _wait(lambda: state.lock_owner(settings) is not None, LOCKED_WITHIN_S)
    owner = state.lock_owner(settings)
    if owner is not None:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile: somebody else may be stopping it too
            os.kill(owner, signal.SIGTERM)
            if not _wait(lambda: not state.is_locked(settings), DOWN_WITHIN_S):
                os.kill(owner, signal.SIGKILL)


def status(settings: Settings) -> tuple[bool, list[PartState]]:
    """Whether a supervisor lives, and what is known about each part."""
    known = state.read_state(settings)
    return state.is_locked(settings), known.parts if known else []


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(TICK_S)
    return True
