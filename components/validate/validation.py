"""All checks of a snapshot, in the order in which each builds on what the ones before left out.

report = validate(snapshot.read(folder), folder, Thresholds(), champion=None)
write(report, snapshot, folder, Path("out"))     # report.json, quarantine.json, report.html
"""

from pathlib import Path

from binocular.quarantine import key
from binocular.snapshot import Snapshot
from components.validate import amounts, copies, page
from components.validate import report as reports
from components.validate.drift import drift
from components.validate.findings import Checked
from components.validate.pixels import Measures, measure, outliers
from components.validate.report import Report
from components.validate.thresholds import Thresholds

PAGE = "report.html"


def validate(
    snapshot: Snapshot,
    folder: Path,
    thresholds: Thresholds,
    champion: Snapshot | None,
    measured: Measures | None = None,
) -> Report:
    """What there is to say about a snapshot whose packs lie in a folder, also next to the champion's data.

    Where its images were measured already, the packs are not needed.
    """
    rows = snapshot.rows
    checked = amounts.unreadable(snapshot, thresholds)
    conflicts = copies.label_conflicts(rows, thresholds)
    checked.add(conflicts)
    # What is left out for its label leaks nowhere.
    settled = [row for row in rows if key(row) not in conflicts.quarantined]
    checked.add(copies.leakage(settled, thresholds))
    checked.add(copies.duplicates(rows))
    checked.add(copies.near_label_conflicts(rows, conflicts.quarantined))
    checked.add(copies.near_duplicates(rows))
    if rows:
        checked.add(outliers(rows, dict(measure(rows, folder)) if measured is None else measured, thresholds))
    checked.add(amounts.balance(snapshot, checked.quarantined, thresholds))
    checked.add(amounts.enough(snapshot, checked.quarantined, thresholds))
    if champion is not None:
        checked.add(drift(snapshot, champion, thresholds))
    return assemble(snapshot, champion, checked, thresholds)


def write(report: Report, snapshot: Snapshot, folder: Path, out: Path) -> None:
    """Write what machines read and what a person reads."""
    reports.write(report, snapshot.rows, out)
    (out / PAGE).write_text(page.render(report, snapshot, folder), encoding="utf-8")


def assemble(snapshot: Snapshot, champion: Snapshot | None, checked: Checked, thresholds: Thresholds) -> Report:
    """The report of what was found."""
    return Report(
        snapshot=snapshot.digest,
        champion=champion.digest if champion else None,
        images=len({row.sha256 for row in snapshot.rows}),
        rows=len(snapshot.rows),
        unreadable=len(snapshot.rejected),
        counts=snapshot.counts(),
        used=amounts.used(snapshot.rows, snapshot.classes, checked.quarantined),
        # Sorting is stable: within hard and soft, the order is that of the checks.
        findings=tuple(sorted(checked.findings, key=lambda each: each.severity)),
        quarantined=checked.quarantined,
        thresholds=thresholds,
    )
