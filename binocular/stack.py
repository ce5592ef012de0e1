"""Starting, stopping and describing the parts of one machine: what `binocular up`, `down`, `status` do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from binocular import follow, processes, supervisor
from binocular.errors import AlreadyRunningError, ProcessError
from binocular.settings import Settings
from binocular.store import connect
from binocular.supervisor import EXIT_LOCKED, STOP_WITHIN_S, TICK_S, PartState, State

DOWN_WITHIN_S = 60.0
LAST_LINES = 15


def up(settings: Settings) -> Iterator[PartState]:
    """Start everything, yielding each part when it is ready. An error or a Ctrl-C stops what was started."""
    if supervisor.is_locked(settings):
        raise AlreadyRunningError(
            "it is running already: see `binocular status`, or stop it with `binocular down`"
        )
    for folder in (settings.home, supervisor.run_folder(settings), supervisor.log_folder(settings)):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (supervisor.run_folder(settings) / supervisor.STATE).unlink(missing_ok=True)
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
            process.wait(DOWN_WITHIN_S)
        raise


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the supervisor so that it outlives this command and its terminal."""
    with (supervisor.log_folder(settings) / "supervisor.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "binocular.supervisor"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "BINOCULAR_HOME": str(settings.home)},
        )


def _await_ready(settings: Settings, process: subprocess.Popen[bytes]) -> Iterator[PartState]:
    seen: set[str] = set()
    while True:
        ended = process.poll()
        state = supervisor.read_state(settings)
        if ended == EXIT_LOCKED:
            raise AlreadyRunningError("it was started by somebody else at the same moment: see `binocular status`")
        if ended is not None:
            raise ProcessError(_why(settings, state))
        if state is not None and state.pid == process.pid and not state.error:
            for part in state.parts:
                if part.condition == "ready" and part.name not in seen:
                    seen.add(part.name)
                    yield part
            if len(seen) == len(state.parts):
                return
        time.sleep(TICK_S)


def _why(settings: Settings, state: State | None) -> str:
    """Why the supervisor ended; where it could not say so, the end of its log."""
    if state is not None and state.error:
        return state.error
    path = supervisor.log_folder(settings) / "supervisor.log"
    last = (line for _, line in follow.lines(settings, ("supervisor",), LAST_LINES, following=False))
    return "\n".join([f"the supervisor ended; its log, {path}, ends with", *last])


def down(settings: Settings) -> bool:
    """Stop everything, whatever state it is in; False if nothing was running."""
    running = supervisor.is_locked(settings)
    if running:
        owner = supervisor.lock_owner(settings)
        if owner is not None:
            os.kill(owner, signal.SIGTERM)
        if not _wait(lambda: not supervisor.is_locked(settings), DOWN_WITHIN_S) and owner is not None:
            os.kill(owner, signal.SIGKILL)
    left = processes.ours(settings.home)
    processes.stop(left, STOP_WITHIN_S)
    (supervisor.run_folder(settings) / supervisor.STATE).unlink(missing_ok=True)
    if still := processes.ours(settings.home):
        raise ProcessError(
            f"processes {[p.pid for p in still]} cannot be ended; they may wait for a disk or a debugger"
        )
    return running or bool(left)


def status(settings: Settings) -> tuple[bool, list[PartState]]:
    """Whether a supervisor lives, and what is known about each part."""
    state = supervisor.read_state(settings)
    return supervisor.is_locked(settings), state.parts if state else []


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(TICK_S)
    return True
