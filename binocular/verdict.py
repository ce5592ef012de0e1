"""The verdict on a candidate: may it replace the champion, and why, in words.

Evaluation writes `verdict.json`; export refuses without a promoting one; the registry keeps it as the decision of
the run; the gateway shows it.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from binocular.documents import Document

VERDICT = "verdict.json"
Decision = Literal["promote", "reject"]


class Reason(BaseModel):
    """One rule of the gate and how it came out."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rule: str  # its name, stable
    passed: bool
    noted: bool = False  # passed, and a person should know it all the same
    text: str  # for a person: what was measured, what was asked


class Verdict(Document):
    """Whether a candidate may go into production."""

    decision: Decision
    summary: str  # one sentence
    reasons: tuple[Reason, ...]
    asked: dict[str, bool | int | float]  # the thresholds of the gate
    snapshot: str  # the digest of the data it was judged on
    images: int  # of the test split
    champion: int | None  # the version it was compared with
    candidate_metrics: dict[str, float]
    champion_metrics: dict[str, float]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The verdict that evaluation wrote into a folder."""
        return cls.load(folder / VERDICT)
