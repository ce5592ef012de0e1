"""`binocular up`, `status`, `logs` and `down` as a person runs them: whatever is killed, nothing stays behind."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from binocular import embedded, processes
from binocular.settings import Settings
from binocular.state import lock_owner
from tests import sample_pipelines
from tests.machine import PARTS, Machine
from tests.servers import StoreServer, free_port, wait_until


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.run("down")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which everything runs, shared by the tests that leave it so."""
    machine = Machine(tmp_path_factory.mktemp("running"))
    code, output = machine.run("up", BINOCULAR_LOG_FORMAT="json")
    assert code == 0, output
    yield machine
    machine.run("down")


def test_events_can_be_json(running: Machine) -> None:
    text = (running.settings.home / "logs" / "supervisor.log").read_text()
    events = [json.loads(line) for line in text.splitlines()]
    assert [(event["part"], event["event"]) for event in events][: 2 * len(PARTS)] == [
        (part, event) for part in PARTS for event in ("part starting", "part ready")
    ]


def test_up_status_down_leave_no_process_and_no_port(machine: Machine) -> None:
    assert machine.run("status") == (3, "not running\n")

    code, output = machine.run("up")
    assert (code, "ready store after" in output) == (0, True), output
    machine.store().put("kept", b"over a restart")

    code, output = machine.run("status")
    assert code == 0
    assert output.splitlines()[0].split()[:2] == ["part", "condition"]
    assert [line.split()[:2] for line in output.splitlines()[1:]] == [[part, "ready"] for part in PARTS]

    assert machine.run("down") == (0, "stopped\n")
    machine.assert_nothing_left()
    assert machine.run("down") == (0, "nothing was running\n")

    machine.run("up")
    assert machine.store().read("kept").data == b"over a restart"


@pytest.mark.parametrize("victims", [("store",), ("pipelines",), ("puller", "model", "gateway"), ("supervisor",)])
def test_after_kill_9_of_any_process_down_leaves_nothing(machine: Machine, victims: tuple[str, ...]) -> None:
    machine.run("up")
    pids = [machine.pid(victim) for victim in victims]

    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    assert machine.run("down") == (0, "stopped\n")
    machine.assert_nothing_left()


def test_a_part_that_crashes_is_started_again_with_its_data(running: Machine) -> None:
    store = running.store()
    store.put("acknowledged", b"before the crash")
    first = running.pid("store")
    assert first is not None

    os.kill(first, signal.SIGKILL)

    assert store.read("acknowledged").data == b"before the crash"  # the client rides it out
    wait_until(lambda: running.condition("store") == "ready" and running.pid("store") != first)
    wait_until(lambda: running.condition("pipelines") == "ready")
    code, output = running.run("status")
    assert (code, output.splitlines()[1].split()[3]) == (0, "1")


def test_a_part_that_hangs_is_shown_as_not_answering(running: Machine) -> None:
    pid = running.pid("store")
    assert pid is not None

    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: running.condition("store") == "not answering")
    code, output = running.run("status")
    assert code == 3
    assert "not answering" in output
    assert "store.log" in output
    os.kill(pid, signal.SIGCONT)

    wait_until(lambda: running.condition("store") == "ready")


def test_up_after_the_supervisor_was_killed_starts_afresh(machine: Machine) -> None:
    machine.run("up")
    orphan, supervisor = machine.pid("store"), machine.pid("supervisor")
    assert orphan is not None
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: lock_owner(machine.settings) is None)
    code, output = machine.run("status")
    assert (code, "supervisor ended" in output) == (3, True), output

    assert machine.run("up")[0] == 0

    assert not psutil.pid_exists(orphan)
    assert machine.condition("store") == "ready"


def test_a_stale_lock_file_that_names_a_living_stranger_harms_nobody(machine: Machine) -> None:
    run = machine.settings.home / "run"
    run.mkdir(parents=True)
    (run / "lock").write_text(str(os.getpid()))
    (run / "state.json").write_text("{ damaged")

    assert machine.run("down") == (0, "nothing was running\n")
    assert machine.run("up")[0] == 0


def test_a_second_up_says_that_it_is_running(running: Machine) -> None:

    assert running.run("up") == (
        1,
        "binocular: it is running already: see `binocular status`, or stop it with `binocular down`\n",
    )
    assert running.condition("store") == "ready"


def test_of_several_ups_at_once_one_starts_it(machine: Machine) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: machine.run("up"), range(4)))

    assert sorted(code for code, _ in results) == [0, 1, 1, 1], results
    assert machine.run("status")[0] == 0
    assert machine.run("down")[0] == 0
    machine.assert_nothing_left()


def test_a_busy_port_is_named_with_who_holds_it(machine: Machine) -> None:
    port = machine.settings.store_port + 2
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        code, output = machine.run("up")

    assert code == 1
    assert f"port {port}, which store needs, is held by process {os.getpid()} (" in output
    assert "set BINOCULAR_STORE_PORT" in output
    machine.assert_nothing_left()


def test_data_that_cannot_be_used_is_one_line(machine: Machine) -> None:
    (machine.settings.home / "store").mkdir(parents=True)
    (machine.settings.home / "store" / "data").write_text("a file where its folder should be")

    code, output = machine.run("up")

    assert (code, output) == (1, f"binocular: {machine.settings.home}/store/data: File exists\n")
    machine.assert_nothing_left()


def test_a_home_that_cannot_be_made_is_one_line(machine: Machine) -> None:
    (machine.folder / "file").touch()

    code, output = machine.run("up", BINOCULAR_HOME=str(machine.folder / "file" / "home"))

    assert (code, output) == (1, f"binocular: {machine.folder}/file/home/run/lock: Not a directory\n")


def test_a_wrong_setting_is_one_line_and_exit_code_2(machine: Machine) -> None:
    code, output = machine.run("status", BINOCULAR_STORE_PORT="abc")

    expected = "got 'abc' (from environment), expected a whole number from 1024 to 55000"
    assert (code, output) == (2, f"binocular: BINOCULAR_STORE_PORT: {expected}\n")


def test_a_named_store_that_is_down_is_one_clear_error(machine: Machine) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    code, output = machine.run(
        "up", BINOCULAR_STORE_URL=url, BINOCULAR_STORE_TIMEOUT_S="1", BINOCULAR_STORE_DEADLINE_S="2"
    )

    assert (code, output.count("\n")) == (1, 1), output
    assert f"binocular: object store {url} is not answering (Connection refused)" in output
    assert time.monotonic() - started < 10


def test_with_a_named_store_none_is_started_and_its_bucket_is_made(
    machine: Machine, server: StoreServer, bucket: str
) -> None:
    endpoint = server.store().endpoint
    variables = {
        "BINOCULAR_STORE_URL": endpoint.url,
        "BINOCULAR_STORE_ACCESS_KEY": endpoint.access_key,
        "BINOCULAR_STORE_SECRET_KEY": endpoint.secret_key,
        "BINOCULAR_STORE_BUCKET": bucket,
    }

    assert machine.run("up", **variables)[0] == 0

    assert machine.run("status", **variables)[0] == 0
    assert not (machine.settings.home / "store").exists()
    assert list(server.store(store_bucket=bucket).entries()) == []


def test_a_run_that_is_going_survives_down_and_up(machine: Machine, tmp_path: Path) -> None:
    package = sample_pipelines.compiled(sample_pipelines.ledger, tmp_path)
    machine.run("up")
    code, output = machine.run("run", package, "--detach", "--param", f"folder={tmp_path}")
    assert code == 0, output
    run_id = output.removeprefix("run ").strip()
    wait_until((tmp_path / "ledger").exists)

    machine.run("down")
    machine.assert_nothing_left()
    machine.run("up")

    wait_until(lambda: "succeeded," in machine.run("runs", run_id)[1])


def test_ctrl_c_during_up_stops_what_it_started(machine: Machine) -> None:
    with machine.start("up") as process:
        wait_until(lambda: machine.pid("store"))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 130, output
    machine.assert_nothing_left()


def test_credentials_are_random_private_and_in_no_log_or_command_line(running: Machine) -> None:
    keys = embedded.credentials(running.settings)
    identities = running.settings.home / "store" / "ids.json"

    assert identities.stat().st_mode & 0o777 == 0o600
    assert (running.settings.home / "store" / "security.toml").stat().st_mode & 0o777 == 0o600
    assert running.settings.home.stat().st_mode & 0o777 == 0o700
    assert keys != embedded.credentials(Settings(home=running.folder / "another"))
    shown = [running.run("logs")[1], running.run("settings")[1], running.run("status")[1]]
    shown += [" ".join(process.cmdline()) for process in processes.ours(running.settings.home)]
    shown += [path.read_text() for path in (running.settings.home / "logs").iterdir()]
    assert not [text for text in shown if keys.secret_key in text or keys.access_key in text]


def test_the_embedded_store_listens_on_loopback_alone_and_its_filer_is_closed(running: Machine) -> None:
    pid = running.pid("store")
    listening = [c.laddr for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]

    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} <= set(embedded.ports(running.settings))
    running.store().put("private", b"for us alone")
    filer = running.settings.store_port + 3
    for request in ("GET /buckets/binocular/private", "DELETE /buckets/binocular/private", "GET /buckets/"):
        assert _status(filer, request) in {401, 403}
    assert running.store().read("private").data == b"for us alone"


def test_logs_show_each_part_and_follow(running: Machine) -> None:
    assert "part ready" in running.run("logs", "supervisor")[1]
    code, output = running.run("logs", "nobody")
    assert (code, "there are: gateway, model, pipelines, puller, store, supervisor" in output) == (1, True)

    with running.start("logs", "--follow", "-n", "0", "store") as process:
        try:
            time.sleep(1)  # it has begun to follow, or will show the line as its first
            with (running.settings.home / "logs" / "store.log").open("a") as log:
                log.write("a line of its own\n")
            assert process.stdout is not None
            assert "store      a line of its own\n" in process.stdout  # which goes on until there is such a line
        finally:
            process.terminate()


def _status(port: int, request: str) -> int:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"{request} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return int(connection.recv(100).split()[1])
