"""The pipelines server killed at any moment: nothing finished is lost, nothing is done twice at once."""

import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import yaml

from binocular.store import Store
from pipeline.local import task
from tests import sample_pipelines
from tests.pipelines_server import PipelinesServer, parameter, tasks
from tests.servers import wait_until

KILLS = 12
# A run of `ledger` takes about two seconds by itself; kills fall before, into and behind its phases.
LONGEST_LIFE_S = 2.0


@pytest.fixture
def machine(embedded_store: Store, tmp_path: Path) -> Iterator[PipelinesServer]:
    """A server of the test's own, which it may kill."""
    machine = PipelinesServer(tmp_path / "server", embedded_store)
    machine.start()
    yield machine
    machine.stop()
    assert task.marked(task.SERVER_MARK, str(machine.state)) == []


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_kill_9_at_random_moments(machine: PipelinesServer, tmp_path: Path) -> None:
    package = sample_pipelines.compiled(sample_pipelines.ledger, tmp_path)
    chance = random.Random(20261121)
    folders = {}
    finished: dict[str, object] = {}
    for number in range(KILLS):
        if number % 3 == 0:
            folder = tmp_path / f"run{number}"
            folder.mkdir()
            folders[machine.begin(package, folder=str(folder))] = folder
        time.sleep(chance.uniform(0, LONGEST_LIFE_S))
        for run_id in folders:
            run = machine.client().get_run(run_id)
            if run.state in {"SUCCEEDED", "FAILED"}:
                finished[run_id] = run.to_dict()

        machine.kill()
        orphans = task.marked(task.SERVER_MARK, str(machine.state))
        machine.start()

        assert alive(orphans) == []
        for run_id, known in finished.items():
            assert machine.client().get_run(run_id).to_dict() == known

    for run_id, folder in folders.items():
        run = machine.finish(run_id, 120)
        assert run.state == "SUCCEEDED", run.error
        assert {each.state for each in tasks(run).values()} == {"SUCCEEDED"}
        assert parameter(tasks(run)["alone-4"]) == "last"
        lines = Counter((folder / "ledger").read_text().splitlines())
        assert not [line for line in lines if line.startswith("twice")]
        assert all(lines[f"end {name}"] >= 1 for name in ("first", "left", "right", "last"))
    with sqlite3.connect(machine.state / "pipelines.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_many_who_start_end_retry_and_delete_at_once(machine: PipelinesServer, tmp_path: Path) -> None:
    pipelines = (sample_pipelines.quick, sample_pipelines.twins, sample_pipelines.guarded)
    packages = [Path(sample_pipelines.compiled(each, tmp_path)).read_text() for each in pipelines]
    specs = [next(yaml.safe_load_all(package)) for package in packages]
    ids: list[str] = []

    def act(seed: int) -> list[tuple[str, int]]:
        chance, answers = random.Random(seed), []
        for _ in range(25):
            action = (
                chance.choice(["create", "terminate", "retry", "delete", "read"]) if len(ids) > 3 else "create"
            )
            if action == "create":
                request = {"display_name": "one of many", "pipeline_spec": chance.choice(specs)}
                status, answer = machine.call("POST", "/runs", json=request)
                ids.append(answer["run_id"])
            elif action in {"read", "delete"}:
                method = "GET" if action == "read" else "DELETE"
                status, _ = machine.call(method, f"/runs/{chance.choice(ids)}", timeout=60)
            else:
                status, _ = machine.call("POST", f"/runs/{chance.choice(ids)}:{action}", json={}, timeout=60)
            answers.append((action, status))
        return answers

    with ThreadPoolExecutor(6) as pool:
        answers = Counter(answer for some in pool.map(act, range(6)) for answer in some)

    assert {status for _, status in answers} <= {200, 400, 404}, answers
    client = machine.client()
    wait_until(
        lambda: {run.state for run in client.list_runs(page_size=200).runs or []} <= {"SUCCEEDED", "FAILED"}
    )
    assert task.marked(task.SERVER_MARK, str(machine.state)) == []
    assert "Traceback" not in machine.log()


def test_a_finished_step_is_not_done_again_after_a_crash(machine: PipelinesServer, tmp_path: Path) -> None:
    package = sample_pipelines.compiled(sample_pipelines.ledger, tmp_path)
    run_id = machine.begin(package, folder=str(tmp_path))
    wait_until(lambda: tasks(machine.client().get_run(run_id))["alone"].state == "SUCCEEDED")

    machine.kill()
    machine.start()

    assert machine.finish(run_id).state == "SUCCEEDED"
    assert Counter((tmp_path / "ledger").read_text().splitlines())["begin first"] == 1


def test_a_run_that_was_being_terminated_ends_so(machine: PipelinesServer, tmp_path: Path) -> None:
    run_id = machine.begin(sample_pipelines.compiled(sample_pipelines.family, tmp_path), folder=str(tmp_path))
    wait_until((tmp_path / "pids").exists)
    family = [psutil.Process(int(pid)) for pid in (tmp_path / "pids").read_text().split()]
    machine.client().terminate_run(run_id)

    machine.kill()
    machine.start()

    run = machine.finish(run_id)
    assert [each.state for each in run.state_history] == ["PENDING", "RUNNING", "CANCELING", "FAILED"]
    assert alive(family) == []


def test_stopped_and_started_again_it_goes_on(machine: PipelinesServer, tmp_path: Path) -> None:
    run_id = machine.begin(sample_pipelines.compiled(sample_pipelines.ledger, tmp_path), folder=str(tmp_path))
    wait_until(lambda: tasks(machine.client().get_run(run_id))["alone"].state == "RUNNING")

    machine.end(signal.SIGTERM)
    assert task.marked(task.SERVER_MARK, str(machine.state)) == []
    machine.start()

    assert machine.finish(run_id).state == "SUCCEEDED"


def test_a_second_server_on_the_same_state_refuses(machine: PipelinesServer, tmp_path: Path) -> None:
    second = PipelinesServer(tmp_path / "second", machine.store())
    second.settings = machine.settings.model_copy(update={"kfp_port": second.settings.kfp_port})
    second.launch()
    assert second.process is not None

    assert second.process.wait(60) == 1
    assert "another pipelines server works on" in second.log()


def test_a_damaged_database_is_named_and_left_alone(embedded_store: Store, tmp_path: Path) -> None:
    machine = PipelinesServer(tmp_path / "server", embedded_store)
    machine.state.mkdir(parents=True)
    (machine.state / "pipelines.db").write_bytes(b"no database" * 1000)
    machine.launch()
    assert machine.process is not None

    assert machine.process.wait(60) == 1
    assert "pipelines.db: file is not a database; restore it, or move it away" in machine.log()
    assert (machine.state / "pipelines.db").read_bytes().startswith(b"no database")
