"""How parts are started, restarted and given up, with small processes in their place."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from binocular import processes, supervisor
from binocular.errors import ProcessError, StoreUnavailableError
from binocular.parts import Part
from binocular.settings import Settings
from binocular.state import PartState, log_folder, read_state, run_folder
from binocular.supervisor import Supervisor
from tests.servers import wait_until

SLEEP = "import time; time.sleep(60)"
IGNORE_TERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
WITH_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / "home")
    for folder in (run_folder(settings), log_folder(settings)):
        folder.mkdir(parents=True)
    yield settings
    processes.stop(processes.ours(settings.home), 1)


def part(tmp_path: Path, name: str, code: str, ready: Callable[[], object] = lambda: None) -> Part:
    return Part(name, [sys.executable, "-c", code], tmp_path, [], "", "", ready)


def states(settings: Settings) -> dict[str, PartState]:
    state = read_state(settings)
    return {part.name: part for part in state.parts} if state else {}


def tick_until(stack: Supervisor, condition: Callable[[], object]) -> None:
    def check() -> object:
        stack.tick()
        return condition()

    wait_until(check, 30)


def stop(stack: Supervisor) -> None:
    for runner in stack.runners:
        runner.stop()


def test_a_part_starts_when_those_before_it_are_ready(settings: Settings, tmp_path: Path) -> None:
    go = tmp_path / "go"

    def when_told() -> None:
        if not go.exists():
            raise StoreUnavailableError("not yet")

    stack = Supervisor(settings, [part(tmp_path, "first", SLEEP, when_told), part(tmp_path, "second", SLEEP)])
    for _ in range(5):
        stack.tick()
    assert (states(settings)["first"].condition, states(settings)["second"].condition) == ("starting", "waiting")
    go.touch()

    tick_until(stack, lambda: states(settings)["second"].condition == "ready")

    assert states(settings)["first"].condition == "ready"
    stop(stack)


def test_a_part_that_ends_again_and_again_waits_longer_each_time(settings: Settings, tmp_path: Path) -> None:
    stack = Supervisor(
        settings, [part(tmp_path, "flaky", "import time; time.sleep(0.3); print('ran', flush=True)")]
    )
    starts: list[float] = []

    def restarted() -> bool:
        if states(settings)["flaky"].restarts > len(starts):
            starts.append(time.monotonic())
        return len(starts) == 4

    tick_until(stack, restarted)

    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert pauses[0] < pauses[1] < pauses[2]
    assert states(settings)["flaky"].condition == "restarting"
    assert states(settings)["flaky"].reason == "ended with exit code 0"
    stop(stack)


def test_a_part_that_never_starts_is_given_up_with_the_end_of_its_log(settings: Settings, tmp_path: Path) -> None:
    def never() -> None:
        raise StoreUnavailableError("no")

    stack = Supervisor(settings, [part(tmp_path, "broken", "raise SystemExit('no such model')", never)])

    with pytest.raises(ProcessError, match="broken did not start") as caught:
        tick_until(stack, lambda: False)

    assert "exit code 1, 3 times" in str(caught.value)
    assert str(caught.value).endswith("no such model\nno such model\nno such model")


def test_a_part_that_is_never_ready_is_given_up(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> None:
        raise StoreUnavailableError("still loading")

    monkeypatch.setattr(supervisor, "START_WITHIN_S", 0.5)
    stack = Supervisor(settings, [part(tmp_path, "slow", SLEEP, never)])

    with pytest.raises(ProcessError, match="still loading"):
        tick_until(stack, lambda: False)
    assert processes.ours(settings.home) == []


def test_stopping_reaches_children_and_those_that_ignore_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_WITHIN_S", 1)
    stack = Supervisor(settings, [part(tmp_path, "parent", WITH_CHILD), part(tmp_path, "stubborn", IGNORE_TERM)])
    tick_until(stack, lambda: len(processes.ours(settings.home)) == 3)

    stop(stack)

    assert processes.ours(settings.home) == []


def test_children_of_a_killed_part_do_not_outlive_it(settings: Settings, tmp_path: Path) -> None:
    stack = Supervisor(settings, [part(tmp_path, "parent", WITH_CHILD)])
    tick_until(stack, lambda: len(processes.ours(settings.home)) == 2)
    leader = states(settings)["parent"].pid
    orphan = next(process for process in processes.ours(settings.home) if process.pid != leader)

    next(process for process in processes.ours(settings.home) if process.pid == leader).kill()
    tick_until(stack, lambda: states(settings)["parent"].restarts == 1)

    wait_until(lambda: orphan not in processes.ours(settings.home))
    stop(stack)


def test_a_log_that_grew_large_is_cut_and_the_older_part_kept(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_LOG_BYTES", 1000)
    monkeypatch.setattr(supervisor, "PROBE_EVERY_S", 0.1)
    chatter = "import time\nwhile True: print('x' * 200, flush=True); time.sleep(0.05)"
    stack = Supervisor(settings, [part(tmp_path, "chatty", chatter)])
    log = log_folder(settings) / "chatty.log"

    tick_until(stack, log.with_suffix(".log.1").exists)
    wait_until(lambda: log.stat().st_size > 0)

    assert log.stat().st_size < 2000
    stop(stack)


def test_a_part_whose_folder_is_gone_does_not_take_the_others_along(settings: Settings, tmp_path: Path) -> None:
    stack = Supervisor(settings, [part(tmp_path, "model", SLEEP, lambda: list((tmp_path / "gone").iterdir()))])
    stack.tick()
    stack.tick()
    assert states(settings)["model"].condition == "starting"
    (tmp_path / "gone").mkdir()
    tick_until(stack, lambda: states(settings)["model"].condition == "ready")
    stop(stack)


def test_a_part_that_ended_all_night_is_still_started_again(settings: Settings, tmp_path: Path) -> None:
    stack = Supervisor(settings, [part(tmp_path, "flaky", SLEEP)])
    tick_until(stack, lambda: states(settings)["flaky"].condition == "ready")
    (runner,) = stack.runners
    runner._failures = 5000
    processes.signal_group(runner.state.pid or 0, signal.SIGKILL)
    tick_until(stack, lambda: states(settings)["flaky"].condition == "restarting")
    stop(stack)


def test_a_state_of_another_release_is_no_state(settings: Settings) -> None:
    (run_folder(settings) / "state.json").write_text('{"pid": 1, "parts": [{"name": "x", "colour": "blue"}]}')

    assert read_state(settings) is None


def test_a_part_whose_program_is_missing_is_an_error_that_names_it(settings: Settings, tmp_path: Path) -> None:
    absent = replace(part(tmp_path, "absent", ""), command=[str(tmp_path / "no-such-program")])

    with pytest.raises(FileNotFoundError, match="no-such-program"):
        Supervisor(settings, [absent]).tick()
