"""What is known about the stack of one machine: where it is written, and who may write it.

The supervisor holds a lock, which the kernel releases however it dies, and keeps `state.json`, replaced whole.
Everybody else only reads.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from binocular.settings import Settings

LOCK = "lock"
STATE = "state.json"
LOCK_ATTEMPTS = 5
LOCK_PAUSE_S = 0.1

Condition = Literal["waiting", "starting", "ready", "not answering", "restarting", "failed", "stopped"]


@dataclass
class PartState:
    """What is known about a part."""

    name: str
    url: str
    log: str
    condition: Condition = "waiting"
    pid: int | None = None
    since: float = 0.0  # when the condition began, in seconds since the epoch
    restarts: int = 0
    reason: str = ""  # why it is not ready, for a person


@dataclass
class State:
    """What is known about the stack."""

    pid: int
    parts: list[PartState]
    error: str = ""


def run_folder(settings: Settings) -> Path:
    """Where lock and state are."""
    return settings.home / "run"


def log_folder(settings: Settings) -> Path:
    """Where each part writes `<name>.log`."""
    return settings.home / "logs"


def read_state(settings: Settings) -> State | None:
    """The last state written, by a supervisor that may be gone."""
    try:
        raw = json.loads((run_folder(settings) / STATE).read_text())
        return State(raw["pid"], [PartState(**part) for part in raw["parts"]], raw["error"])
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError):
        return None  # written by another release; the lock and the process table still tell the truth


def write_state(settings: Settings, state: State) -> None:
    """Replace the state that others read, whole."""
    draft = run_folder(settings) / f".{STATE}"
    draft.write_text(json.dumps(asdict(state), indent=1))
    draft.replace(run_folder(settings) / STATE)


def is_locked(settings: Settings) -> bool:
    """Whether a supervisor lives."""
    with contextlib.suppress(FileNotFoundError), (run_folder(settings) / LOCK).open("rb") as file:
        return not _try_lock(file, fcntl.LOCK_SH)  # shared: two who look do not see one another
    return False


def lock_owner(settings: Settings) -> int | None:
    """The pid of the living supervisor."""
    if not is_locked(settings):
        return None
    text = (run_folder(settings) / LOCK).read_text()
    return int(text) if text.strip().isdigit() else None


def _try_lock(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def hold_lock(settings: Settings) -> Iterator[bool]:
    """Be the one supervisor of this home, for as long as the block runs."""
    with (run_folder(settings) / LOCK).open("a+b") as file:
        # Somebody who only looks (`is_locked`) holds the lock for an instant: one refusal proves nothing.
        for _ in range(LOCK_ATTEMPTS):
            if _try_lock(file, fcntl.LOCK_EX):
                break
            time.sleep(LOCK_PAUSE_S)
        else:
            yield False
            return
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield True
