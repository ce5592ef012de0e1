"""The report: verdict, findings and quarantine, for machines.

`report.json` says what was found and whether the run may go on. A finding lists up to 2,000 cases, a case up to 50
files; `total` counts all. `quarantine.json` is the complete list of what training and evaluation leave out: a row
is left out if its `sha256`, `label` and `split` are those of an entry.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from binocular.quarantine import QUARANTINE, Quarantine, QuarantinedRow, RowKey, key
from binocular.report.words import printable
from binocular.snapshot import Row
from components.validate.amounts import Counts
from components.validate.findings import Finding, Severity
from components.validate.thresholds import Thresholds

FORMAT = 1
REPORT = "report.json"


@dataclass(frozen=True)
class Report:
    """What validation has to say about a snapshot."""

    snapshot: str  # its digest
    champion: str | None  # the digest of the champion's snapshot
    images: int  # distinct ones
    rows: int
    unreadable: int
    counts: Counts  # rows on each side of each class
    used: Counts  # the same, without what is quarantined
    findings: tuple[Finding, ...]  # hard ones first
    quarantined: dict[RowKey, str]  # row → reason
    thresholds: Thresholds

    @property
    def passed(self) -> bool:
        """Whether the run may go on."""
        return not self.of("hard")

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(each for each in self.findings if each.severity == severity)

    @property
    def verdict(self) -> str:
        """The verdict as one sentence."""
        hard, left_out = len(self.of("hard")), len(self.quarantined)
        if hard:
            return f"Not fit to train on: {hard} reason{'s' if hard > 1 else ''}"
        if self.findings:
            return f"Fit to train on; {left_out:,} of {self.rows:,} images left out"
        return "Fit to train on; nothing to complain about"


def write(report: Report, rows: Iterable[Row], folder: Path) -> None:
    """Write report.json and quarantine.json into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    quarantined = tuple(
        QuarantinedRow(
            sha256=row.sha256,
            label=row.label,
            split=row.split,
            reason=report.quarantined[key(row)],
            files=tuple(map(printable, row.sources)),
        )
        for row in rows
        if key(row) in report.quarantined
    )
    Quarantine(snapshot=report.snapshot, rows=quarantined).write(folder / QUARANTINE)
    text = json.dumps(_facts(report), indent=1, allow_nan=False)
    (folder / REPORT).write_text(text + "\n", encoding="utf-8")


def _facts(report: Report) -> dict[str, object]:
    return {
        "format": FORMAT,
        "passed": report.passed,
        "verdict": report.verdict,
        "reasons": [each.message for each in report.of("hard")],
        "snapshot": report.snapshot,
        "champion": report.champion,
        "images": report.images,
        "rows": report.rows,
        "unreadable": report.unreadable,
        "quarantined": len(report.quarantined),
        "counts": report.counts,
        "used": report.used,
        "thresholds": asdict(report.thresholds),
        "findings": [{"title": each.title, **asdict(each)} for each in report.findings],
    }
