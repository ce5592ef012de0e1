"""`binocular run` and `binocular runs` as a person uses them."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from binocular.store import Store
from tests import sample_pipelines
from tests.pipelines_server import PipelinesServer
from tests.servers import free_port, wait_until


class Person:
    """Somebody at a command line."""

    def __init__(self, server: PipelinesServer, folder: Path) -> None:
        self.folder, self.environment = folder, {**server.environment, "COLUMNS": "200"}
        self.environment.pop("_KFP_RUNTIME")  # the server's own

    def run(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "binocular", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout


# A terminal that shows nothing for this long is not going to.
SILENT_S = 120


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, person: Person, *arguments: str) -> None:
        self.seen = ""
        self.pid, self._screen = pty.fork()
        if self.pid == 0:
            os.chdir(person.folder)
            os.execve(sys.executable, [sys.executable, "-m", "binocular", *arguments], person.environment)  # noqa: S606

    def until(self, pattern: str) -> str:
        """Read the screen until something is on it."""
        while not re.search(pattern, self.seen):
            if not select.select([self._screen], [], [], SILENT_S)[0]:
                break
            try:
                self.seen += os.read(self._screen, 10_000).decode(errors="replace")
            except OSError:
                break
        assert re.search(pattern, self.seen), self.seen
        return self.seen

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def end(self) -> int:
        """Wait for its end, reading on so that it is never held up: the exit code."""
        with contextlib.suppress(OSError):  # the screen is gone with the last process on it
            while select.select([self._screen], [], [], SILENT_S)[0] and os.read(self._screen, 10_000):
                pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self._screen)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def person(pipelines: PipelinesServer, tmp_path: Path) -> Person:
    return Person(pipelines, tmp_path)


def test_a_run_is_followed_to_its_end_and_listed(person: Person, tmp_path: Path) -> None:
    package = sample_pipelines.compiled(sample_pipelines.contained, tmp_path)
    code, output = person.run("run", package, "--param", "n=21", "--name", "mine")

    assert code == 0, output
    lines = output.splitlines()
    run_id = lines[0].removeprefix("run ")
    assert "SUCCEEDED  containerised" in lines
    assert re.fullmatch(r"SUCCEEDED in \d+ s", lines[-1])
    person.environment["COLUMNS"] = "60"
    code, output = person.run("runs")
    assert run_id in output
    person.environment["COLUMNS"] = "200"
    code, output = person.run("runs")
    assert re.search(rf"{run_id} +mine +succeeded", output)
    code, output = person.run("runs", run_id)
    assert re.search(r"containerised +succeeded +\d+ s", output)
    code, output = person.run("runs", run_id, "--logs", "containerised")
    assert (code, "cwd " in output) == (0, True)
    code, output = person.run("runs", run_id, "--logs", "other")
    assert (code, "no steps are called 'other'; there are: containerised, " in output) == (1, True)


@pytest.mark.parametrize(("told", "name"), [((), "bottles"), (("-p", "name=cans"), "cans")])
def test_our_own_pipeline_makes_the_model_that_is_served(
    person: Person, pipelines: PipelinesServer, told: tuple[str, ...], name: str
) -> None:
    person.environment["BINOCULAR_MODEL_NAME"] = "bottles"
    code, output = person.run("run", "--detach", "-p", "source=nowhere", *told)
    assert code == 0, output
    run = pipelines.client().get_run(output.strip().removeprefix("run "))
    assert run.runtime_config.parameters == {"source": "nowhere", "name": name}


def test_trainings_at_set_times_are_set_shown_and_ended(person: Person) -> None:
    person.environment["BINOCULAR_MODEL_NAME"] = "bottles"
    new_year = "0 0 3 1 1 *"
    for as_before in ("", ", as before"):
        code, output = person.run("schedule", new_year, "-p", "epochs=3")
        assert (code, output) == (0, f"trainings are started at {new_year}{as_before}\n")
    code, output = person.run("schedule")
    assert (code, output) == (0, f"{new_year}: scheduled retraining of bottles -p epochs=3\n")
    for mistake, says in (
        (("-p", "epochs=3"), "parameters go with CRON"),
        ((new_year, "-p", "epoch=3"), "epoch"),
        ((new_year, "-p", "name=cans"), "BINOCULAR_MODEL_NAME"),
    ):
        code, output = person.run("schedule", *mistake)
        assert (code != 0, says in output) == (True, True), output
    assert person.run("schedule", "--off") == (0, "no training is started at set times\n")
    assert person.run("schedule", "--off") == (0, "none was\n")


def test_a_failed_step_shows_its_last_lines_and_where_its_log_is(person: Person, tmp_path: Path) -> None:
    package = sample_pipelines.compiled(sample_pipelines.guarded, tmp_path)
    code, output = person.run("run", package)

    assert code == 1
    assert "binocular: fails failed: ended with exit code 1" in output
    assert "ValueError: boom" in output
    command = re.search(r"`binocular (runs \S+ --logs \S+)`", output)
    assert command is not None
    assert "about to fail" in person.run(*command.group(1).split())[1]


def test_mistakes_are_one_line(person: Person, tmp_path: Path) -> None:
    package = sample_pipelines.compiled(sample_pipelines.quick, tmp_path)
    for arguments, message in [
        (("run", package, "--param", "text"), "--param 'text': expected NAME=VALUE"),
        (("run", package, "--param", "words=x"), "parameter 'words' is unknown; there are: text"),
        (("run", "absent.yaml"), "absent.yaml: there is no such package"),
        (("runs", "none"), "run none is not there"),
    ]:
        code, output = person.run(*arguments)
        assert (code, output.count("\n"), message in output) == (1, 1, True), output
    person.environment["BINOCULAR_KFP_PORT"] = str(free_port())
    code, output = person.run("runs")
    assert (code, "`binocular up` starts it" in output.splitlines()[-1]) == (1, True), output


def test_following_survives_a_crash_of_the_server(embedded_store: Store, tmp_path: Path) -> None:
    server = PipelinesServer(tmp_path / "server", embedded_store)
    server.start()
    try:
        package = sample_pipelines.compiled(sample_pipelines.ledger, tmp_path)
        with ThreadPoolExecutor(1) as pool:
            followed = pool.submit(Person(server, tmp_path).run, "run", package, "--param", f"folder={tmp_path}")
            wait_until((tmp_path / "ledger").exists)
            server.kill()
            server.start()
            code, output = followed.result(120)
    finally:
        server.stop()

    assert (code, "SUCCEEDED in" in output) == (0, True), output


def test_ctrl_c_asks_and_cancels(person: Person, tmp_path: Path) -> None:
    package = sample_pipelines.compiled(sample_pipelines.family, tmp_path)
    terminal = Terminal(person, "run", package, "--param", f"folder={tmp_path}")
    terminal.until(r"with-children\s+.*running")
    wait_until((tmp_path / "pids").exists)

    os.kill(terminal.pid, signal.SIGINT)
    terminal.until("cancel it\\?")
    terminal.type("cancel\n")

    assert "terminated on request" in terminal.until("terminated on request")
    assert terminal.end() == 1


def test_a_running_steps_last_line_is_shown_and_ctrl_c_can_detach(
    person: Person, pipelines: PipelinesServer, tmp_path: Path
) -> None:
    package = sample_pipelines.compiled(sample_pipelines.talking, tmp_path)
    terminal = Terminal(person, "run", package, "--param", "seconds=10")
    terminal.until(r"talks\s+.*running.*epoch 7 of 9 loss=0.5")
    os.kill(terminal.pid, signal.SIGINT)
    terminal.until("cancel it\\?")
    terminal.type("\n")
    terminal.until("detached")

    assert terminal.end() == 0
    found = re.search(r"run ([0-9a-f-]{36})", terminal.seen)
    assert found is not None
    assert pipelines.finish(found.group(1)).state == "SUCCEEDED"
