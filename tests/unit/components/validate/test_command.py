import json
import sys
from pathlib import Path

import pytest

from components.validate.__main__ import main
from tests.unit.components.validate.conftest import Frozen, MakeFrozen, plain


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["validate", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_fit_snapshot_exits_with_0_and_leaves_three_files(
    frozen: MakeFrozen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = frozen(plain())
    out = tmp_path / "out"
    lenient = ("--least-images-per-class", 2, "--most-imbalance", 1.5, "--odd-size", 2.5)

    assert run(monkeypatch, "--snapshot", made.folder, "--out", out, "--champion", made.folder, *lenient) == 0
    assert sorted(path.name for path in out.iterdir()) == ["quarantine.json", "report.html", "report.json"]
    facts = json.loads((out / "report.json").read_text())
    assert (facts["champion"], facts["thresholds"]["least_images_per_class"]) == (made.snapshot.digest, 2)


def test_an_unfit_snapshot_exits_with_1_after_the_report_is_written(
    faulty: Frozen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--snapshot", faulty.folder, "--out", tmp_path / "out") == 1
    assert json.loads((tmp_path / "out" / "report.json").read_text())["passed"] is False
    printed = capsys.readouterr().out
    assert "hard: " in printed
    assert "Not fit to train on" in printed


def test_an_error_is_one_line_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--snapshot", tmp_path, "--out", tmp_path / "out") == 1
    assert capsys.readouterr().err == f"validate: {tmp_path} holds no snapshot: snapshot.json is missing\n"
    assert run(monkeypatch, "--snapshot", tmp_path, "--out", tmp_path / "out", "--leakage-share", 7) == 2
    assert "threshold leakage_share is 7.0; it must be" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_threshold_is_an_option_with_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert "--unreadable-share" in shown
    assert "--allow-removed-classes / --no-allow-removed-classes" in shown
