import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from components.evaluate.__main__ import main
from components.evaluate.gate import Gate


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_every_threshold_is_an_option_with_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    printed = capsys.readouterr().out
    for each in fields(Gate):
        assert f"--{each.name.replace('_', '-')}" in printed


def test_help_waits_for_no_library_of_models() -> None:
    script = (
        "import sys, components.evaluate.__main__\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(loaded & {'tensorflow', 'keras', 'sklearn', 'scipy', 'jinja2'}))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def test_an_error_is_one_line_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--snapshot", tmp_path, "--candidate", tmp_path, "--out", tmp_path / "out")
    assert run(monkeypatch, *given) == 1
    assert capsys.readouterr().err == f"evaluate: {tmp_path} holds no snapshot: snapshot.json is missing\n"
    assert run(monkeypatch, *given, "--min-accuracy", 7) == 2
    assert "gate threshold min_accuracy is 7.0; it must be a number between 0 and 1" in capsys.readouterr().err
    assert run(monkeypatch, *given, "--champion", tmp_path / "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
