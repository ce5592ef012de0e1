"""What a newcomer gets wrong, and what they hear: one line that says what to do, and no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from binocular.settings import Settings
from binocular.state import PartState, read_state
from binocular.store import Store
from tests.machine import Machine
from tests.servers import free_port, free_store_port, wait_until
from tests.smalldisk import SmallDisk

MAKE = Path(__file__).parents[2] / "Makefile"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos as people bring them: in no class folder, in one, too few, and none that is a photo."""
    folder = tmp_path_factory.mktemp("photos")
    draw(folder / "good", Spec(images=5, size=32))
    glass = folder / "good" / "glass"
    (folder / "flat").mkdir()
    for n, photo in enumerate(sorted(glass.iterdir())):
        (folder / "flat" / f"{n}.jpg").write_bytes(photo.read_bytes())
        (folder / "one" / "glass").mkdir(parents=True, exist_ok=True)
        (folder / "one" / "glass" / f"{n}.jpg").write_bytes(photo.read_bytes())
    for label in ("a", "b"):
        (folder / "texts" / label).mkdir(parents=True)
        (folder / "texts" / label / "photo.jpg").write_text("not a photo")
    (folder / "empty").mkdir()
    return folder


def refused(*command: str, cwd: Path, **variables: str) -> str:
    """What a command says that fails; never more than a few lines, and no traceback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BINOCULAR_")}
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env={**kept, "BINOCULAR_HOME": str(cwd / "home"), "BINOCULAR_LOG_LEVEL": "error", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode not in {0, 70}, result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("flat", "put each image in a folder named after its class"),
        ("empty", "expected <class>/<image>"),
        ("texts", "such as a/photo.jpg: not an image"),
        ("nowhere", "there is no source 'nowhere'; name a folder"),
        ("flat/0.jpg", "neither a zip nor a tar"),
    ],
)
def test_a_wrong_source_is_refused_with_what_was_expected(
    folder: Path, tmp_path: Path, source: str, says: str
) -> None:
    said = refused("components.ingest", source, "--out", str(tmp_path / "snapshot"), cwd=folder)
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "says"),
    [("one", "a classifier needs 2 or more"), ("good", "class cardboard has 3 train images and needs 10")],
)
def test_too_little_to_learn_from_is_said_class_by_class(
    folder: Path, tmp_path: Path, source: str, says: str
) -> None:
    snapshot = tmp_path / "snapshot"
    subprocess.run(
        [sys.executable, "-m", "components.ingest", source, "--out", snapshot],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    result = subprocess.run(
        [sys.executable, "-m", "components.validate", "--snapshot", snapshot, "--out", tmp_path / "report"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, says in result.stdout + result.stderr) == (1, True), result.stdout + result.stderr


@pytest.mark.parametrize(
    ("command", "who"),
    [
        (("models",), "object store"),
        (("promote", "1"), "object store"),
        (("runs",), "pipelines API"),
        (("run", "-p", "source=good"), "pipelines API"),
        (("predict", "good/glass/nothing.jpg"), "does not exist"),
        (("retrain",), "the gateway"),
    ],
)
def test_before_up_every_command_says_what_starts_what_it_needs(
    folder: Path, command: tuple[str, ...], who: str
) -> None:
    ports = {"STORE": free_store_port(), "KFP": free_port(), "GATEWAY": free_port()}
    variables = {f"BINOCULAR_{name}_PORT": str(port) for name, port in ports.items()}
    said = refused("binocular", *command, cwd=folder, BINOCULAR_STORE_DEADLINE_S="1", **variables)
    assert who in said
    assert "`binocular up` starts it" in said or who == "does not exist"


@pytest.mark.parametrize(
    ("variable", "command"), [("BINOCULAR_STORE_URL", ("models",)), ("BINOCULAR_KFP_URL", ("runs",))]
)
def test_a_server_elsewhere_that_is_not_reached_is_named_with_its_setting(
    folder: Path, variable: str, command: tuple[str, ...]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    keys = {
        "BINOCULAR_STORE_ACCESS_KEY": "key",
        "BINOCULAR_STORE_SECRET_KEY": "secret-key",
        "BINOCULAR_STORE_DEADLINE_S": "1",
    }
    said = refused("binocular", *command, cwd=folder, **keys, **{variable: url})
    assert url in said
    assert "not answering" in said


def test_without_python_3_11_make_says_which_is_needed(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements/local.txt"):
        (tmp_path / name).write_bytes((MAKE.parent / name).read_bytes())
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.1\nexit 1\n')
    old.chmod(0o755)
    result = subprocess.run(
        ["make", f"PYTHON={old}", "setup"],  # noqa: S607
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "Binocular needs Python 3.11; found Python 3.9.1" in result.stdout


def test_doctor_says_how_to_mend_a_part_that_is_gone(tmp_path: Path) -> None:
    code, output = Machine(tmp_path).run("doctor")
    assert (code, "not running" in output, "binocular up" in output) == (0, True, True), output


@pytest.mark.parametrize(
    "command",
    [("binocular", "sample", "more", "--images", "1"), ("components.ingest", "good", "--out", "snapshot")],
)
def test_on_a_full_disk_a_command_says_so_in_one_line_and_leaves_nothing_half_done(
    folder: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    module, *rest = (str(folder / "good") if word == "good" else word for word in command)
    with SmallDisk(tmp_path, "100k") as disk:
        disk.fill()
        result = subprocess.run(
            [*disk.before, sys.executable, "-m", module, *rest],
            env={**os.environ, "BINOCULAR_HOME": str(tmp_path / "home"), "BINOCULAR_LOG_LEVEL": "error"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert [path.name for path in disk.seen.iterdir()] == ["filler"]
    assert (result.returncode, "No space left on device; make room" in result.stderr) == (1, True), result.stderr
    assert "Traceback" not in result.stderr


def test_up_on_a_full_disk_says_which_disk_it_is(tmp_path: Path) -> None:
    with SmallDisk(tmp_path, "100k") as disk:
        disk.fill()
        code, output = Machine(tmp_path, disk.before).run("up")
    assert (code, output.count("\n")) == (1, 1), output
    assert f"the disk of {tmp_path / '.binocular'} is full" in output


def test_who_is_killed_or_finds_no_room_on_the_disk_is_told_and_what_runs_goes_on(
    embedded_store: Store, tmp_path: Path
) -> None:
    there = embedded_store.endpoint
    with SmallDisk(tmp_path, "8m") as disk:
        machine = Machine(tmp_path, disk.before)
        machine.environment |= {
            "BINOCULAR_STORE_URL": there.url,
            "BINOCULAR_STORE_ACCESS_KEY": there.access_key,
            "BINOCULAR_STORE_SECRET_KEY": there.secret_key,
            "BINOCULAR_STORE_BUCKET": there.bucket,
        }
        seen = Settings(home=disk.seen / ".binocular")

        def parts() -> dict[str, PartState]:
            state = read_state(seen)
            return {part.name: part for part in state.parts} if state else {}

        def all_ready() -> bool:
            return bool(parts()) and all(part.condition == "ready" for part in parts().values())

        try:
            killed_after_a_line(machine, "up")
            code, output = machine.run("up")
            assert (code, "it is running already" in output, output.count("\n")) == (1, True, 1), output
            wait_until(all_ready)
            run_id = killed_after_a_line(machine, "run", "-p", "source=nowhere").removeprefix("run ").strip()
            assert run_id in machine.run("runs")[1]

            disk.fill()
            code, output = machine.run("run", "-p", "source=more")
            assert (code, "free some space, then try again" in output, output.count("\n")) == (1, True, 1), output
            puller = parts()["puller"].pid
            assert puller is not None
            os.kill(puller, signal.SIGKILL)
            code, output = machine.run("status")
            assert (code, "is full (" in output.splitlines()[-1]) == (1, True), output
            disk.make_room()
            wait_until(lambda: parts()["puller"].pid not in {None, puller} and all_ready())
        finally:
            machine.run("down")


def killed_after_a_line(machine: Machine, *arguments: str) -> str:
    """The first line that a command writes before nothing can save it."""
    with machine.start(*arguments) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    return line
