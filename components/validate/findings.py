"""What a check finds: cases of files at fault, how bad that is, and which rows are left out for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from binocular.quarantine import RowKey
from binocular.report.words import printable
from binocular.snapshot import Rejected, Row, Split

Severity = Literal["hard", "soft"]
# A finding lists this many cases, and each case this many files; the totals count all.
MOST_CASES = 2000
MOST_FILES = 50

# Every check there is, in a person's words.
TITLES = {
    "unreadable": "Unreadable files",
    "label_conflicts": "One image, two labels",
    "leakage": "The same photo on two sides",
    "duplicates": "Exact duplicates",
    "near_label_conflicts": "Look alike, labelled differently",
    "near_duplicates": "Near-duplicates",
    "dark": "Dark",
    "light": "Overexposed",
    "blurred": "Blurred",
    "low_information": "Hardly anything on it",
    "odd_size": "Odd size",
    "odd_aspect_ratio": "Odd shape",
    "imbalance": "Uneven classes",
    "classes": "Too few classes",
    "class_counts": "Too few images of a class",
    "classes_went": "Classes that went",
    "classes_came": "Classes that came",
    "drift": "Label shares moved",
}
# What only a comparison with the champion's data can find.
OF_CHAMPION = ("classes_went", "classes_came", "drift")


@dataclass(frozen=True, slots=True)
class File:
    """An image at fault, or a file that is no image, and where it was found."""

    label: str
    sources: tuple[str, ...]
    sha256: str = ""  # none of a file that is no image
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """Files that are at fault together: a pair under two labels, a group that looks alike, one dark image."""

    files: tuple[File, ...]  # up to MOST_FILES
    total: int
    note: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has to say."""

    check: str
    severity: Severity
    message: str
    cases: tuple[Case, ...] = ()  # up to MOST_CASES
    total: int = 0  # how many cases there are
    left_out: int = 0  # rows or files that are not used for it

    @property
    def title(self) -> str:
        """The check in a person's words."""
        return TITLES[self.check]


@dataclass
class Checked:
    """The findings of some checks, and the rows they leave out with the reason."""

    findings: list[Finding] = field(default_factory=list)
    quarantined: dict[RowKey, str] = field(default_factory=dict)

    def add(self, other: "Checked") -> None:
        """Take over what another check found; the first reason of a row stays."""
        self.findings += other.findings
        self.quarantined = {**other.quarantined, **self.quarantined}


def case(rows: Sequence[Row], note: str) -> Case:
    """The case of these rows."""
    files = tuple(File(row.label, row.sources, row.sha256, row.split) for row in rows[:MOST_FILES])
    return Case(files, len(rows), printable(note))


def rejected_case(rejected: Rejected) -> Case:
    """The case of a file that is no image."""
    return Case((File(rejected.label, (rejected.source,)),), 1, printable(rejected.reason))


def finding(
    check: str, severity: Severity, message: str, cases: Sequence[Case] = (), left_out: int = 0
) -> Finding:
    """A finding whose list is bounded and whose total is not."""
    return Finding(check, severity, printable(message), tuple(cases[:MOST_CASES]), len(cases), left_out)
