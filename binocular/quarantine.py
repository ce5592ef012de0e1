"""The rows of a snapshot that training and evaluation leave out: validation's complete list, and why.

kept = read(folder).kept(snapshot)
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from binocular.documents import Document
from binocular.errors import ConflictError
from binocular.snapshot import Row, Snapshot, Split

QUARANTINE = "quarantine.json"
# What a row is known by: its digest, label and split.
RowKey = tuple[str, str, Split]


class QuarantinedRow(BaseModel):
    """One row that is left out, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str
    label: str
    split: Split
    reason: str
    files: tuple[str, ...]


class Quarantine(Document):
    """What is left out of one snapshot."""

    snapshot: str  # its digest
    rows: tuple[QuarantinedRow, ...]

    def kept(self, snapshot: Snapshot) -> tuple[Row, ...]:
        """The rows of the snapshot that are used. ConflictError if this is the quarantine of another one."""
        if snapshot.digest != self.snapshot:
            raise ConflictError(
                f"{QUARANTINE} was written for the snapshot {self.snapshot}, not {snapshot.digest}: validate again"
            )
        left_out = {(row.sha256, row.label, row.split) for row in self.rows}
        return tuple(row for row in snapshot.rows if key(row) not in left_out)


def key(row: Row) -> RowKey:
    """What the row is known by."""
    return row.sha256, row.label, row.split


def read(folder: Path | None, snapshot: Snapshot) -> tuple[Row, ...]:
    """The rows of a snapshot that the validation report in a folder lets pass; without a report, all of them."""
    if folder is None:
        return snapshot.rows
    return Quarantine.load(folder / QUARANTINE).kept(snapshot)
