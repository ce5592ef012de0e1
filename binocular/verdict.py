"""The verdict on a candidate: may it replace the champion, and why, in words.

Evaluation writes `verdict.json`; export refuses without a promoting one; the registry keeps it as the decision of
the run; the gateway shows it. Beside it lies `evaluation.json`, every figure that it rests on.
"""

import json
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from binocular.documents import Document
from binocular.errors import IntegrityError

VERDICT, EVALUATION = "verdict.json", "evaluation.json"
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


class ClassFigures(BaseModel):
    """How one class of the test images is recognised; what is not defined for it is None."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    label: str
    images: int
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


def class_figures(folder: Path) -> tuple[ClassFigures, ...]:
    """What evaluation measured of the candidate's classes; nothing where it wrote no figures."""
    path = folder / EVALUATION
    if not path.is_file():
        return ()
    try:
        measures = json.loads(path.read_bytes())["candidate"]["measures"] or {}
        return tuple(ClassFigures.model_validate(each) for each in measures.get("classes", ()))
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # pydantic's is a ValueError
        raise IntegrityError(f"{path} is damaged: {type(error).__name__}") from None
