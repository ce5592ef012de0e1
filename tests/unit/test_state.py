"""Who may say that the stack runs, and how a process ended."""

import fcntl
from pathlib import Path

import pytest

from binocular import processes
from binocular.settings import Settings
from binocular.state import LOCK, hold_lock, is_locked, lock_owner, run_folder


def test_one_who_looks_is_not_taken_for_a_supervisor_by_another(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    run_folder(settings).mkdir()
    (run_folder(settings) / LOCK).write_text("1")
    with (run_folder(settings) / LOCK).open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert (is_locked(settings), lock_owner(settings)) == (False, None)

    with hold_lock(settings) as mine:
        assert (mine, is_locked(settings)) == (True, True)


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with exit code 0"), (-9, "killed by SIGKILL"), (-40, "killed by signal 40")],
)
def test_a_process_that_ended_says_how(code: int, words: str) -> None:
    assert processes.ended(code) == words
