"""Every fault that real folders have is found in the sample, with the files named."""

import json
import os
from pathlib import Path

import pytest

from binocular.sample.spec import Fault
from components.validate.findings import Finding
from components.validate.report import Report
from components.validate.thresholds import Thresholds
from components.validate.validation import write
from tests.unit.components.validate.conftest import Frozen, MakeFrozen, found, freeze, members, picture, plain


@pytest.fixture(scope="module")
def report(faulty: Frozen) -> Report:
    return faulty.report()


def the(check: str, report: Report) -> Finding:
    (found,) = [each for each in report.findings if each.check == check]
    return found


def cases(finding: Finding) -> set[frozenset[str]]:
    """The files of each case."""
    return {frozenset(name for file in case.files for name in file.sources) for case in finding.cases}


def planted(faulty: Frozen, fault: Fault) -> set[frozenset[str]]:
    return {frozenset(each.files) for each in faulty.planted if each.fault == fault}


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("corrupt", "unreadable"),
        ("duplicate", "duplicates"),
        ("conflict", "label_conflicts"),
        ("leakage", "leakage"),
    ],
)
def test_every_planted_fault_is_found_and_no_other(
    faulty: Frozen, report: Report, fault: Fault, check: str
) -> None:
    known = planted(faulty, fault) | (planted(faulty, "leakage") if check == "duplicates" else set())
    assert planted(faulty, fault) <= cases(the(check, report)) <= known


def test_near_duplicates_are_found(faulty: Frozen, report: Report) -> None:
    assert planted(faulty, "near-duplicate") <= cases(the("near_duplicates", report))


def test_both_labels_of_a_conflict_are_left_out(faulty: Frozen, report: Report) -> None:
    left_out = {
        source
        for row in faulty.snapshot.rows
        if "labelled" in report.quarantined.get((row.sha256, row.label, row.split), "")
        for source in row.sources
    }
    assert left_out == frozenset().union(*planted(faulty, "conflict"))


def test_of_a_leak_the_training_copy_is_left_out_and_the_test_copy_stays(faulty: Frozen, report: Report) -> None:
    leaked = frozenset().union(*planted(faulty, "leakage"))
    for row in faulty.snapshot.rows:
        if leaked & set(row.sources):
            is_left_out = (row.sha256, row.label, row.split) in report.quarantined
            assert is_left_out == (row.split != "test"), row


def test_duplicates_and_near_duplicates_lose_nothing(faulty: Frozen, report: Report) -> None:
    kept = frozenset().union(*planted(faulty, "duplicate"), *planted(faulty, "near-duplicate"))
    assert not [
        row
        for row in faulty.snapshot.rows
        if kept & set(row.sources) and (row.sha256, row.label, row.split) in report.quarantined
    ]


def test_the_files_say_the_same_as_the_report(faulty: Frozen, report: Report, tmp_path: Path) -> None:
    write(report, faulty.snapshot, faulty.folder, tmp_path)

    facts = json.loads((tmp_path / "report.json").read_text())
    assert (facts["passed"], facts["snapshot"]) == (True, faulty.snapshot.digest)
    assert [each["check"] for each in facts["findings"]] == [each.check for each in report.findings]
    quarantine = json.loads((tmp_path / "quarantine.json").read_text())
    assert {(row["sha256"], row["label"], row["split"]) for row in quarantine["rows"]} == set(report.quarantined)
    assert all(row["reason"] and row["files"] for row in quarantine["rows"])


def test_an_image_that_is_left_out_for_its_labels_leaks_nowhere(frozen: MakeFrozen) -> None:
    twice = [
        found("train/cat/a.png", "cat", picture(1), "train"),
        found("test/dog/a.png", "dog", picture(1), "test"),
    ]
    report = frozen([*plain(), *twice]).report()

    assert the("label_conflicts", report).left_out == len(report.quarantined) == 2
    assert "leakage" not in {each.check for each in report.findings}


def test_what_stops_the_run_comes_first(faulty: Frozen) -> None:
    severities = [each.severity for each in faulty.report(Thresholds(unreadable_share=1)).findings]
    assert severities == sorted(severities)
    assert set(severities) == {"hard", "soft"}


def test_the_default_thresholds_stop_this_much_damage_and_say_why(faulty: Frozen) -> None:
    report = faulty.report(Thresholds())
    assert not report.passed
    conflict = the("label_conflicts", report)
    assert conflict.severity == "hard"
    assert "thresholds.label_conflict_share" in conflict.message


def test_trashnets_three_contradictions_are_named(tmp_path: Path) -> None:
    folder = os.environ.get("TEST_DATA_FOLDER")
    if not folder:
        pytest.skip("TEST_DATA_FOLDER names no folder that holds trashnet.tar, real photographs to test with")
    real = freeze(members(Path(folder) / "trashnet.tar"), tmp_path / "snapshot")
    report = real.report(Thresholds())

    pairs = {frozenset(Path(name).stem for name in files) for files in cases(the("label_conflicts", report))}
    assert pairs == {
        frozenset({"glass115", "metal91"}),
        frozenset({"glass176", "plastic152"}),
        frozenset({"glass389", "plastic332"}),
    }
    assert report.passed
    assert len(report.quarantined) == 6
    write(report, real.snapshot, real.folder, tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
