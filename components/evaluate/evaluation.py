"""The step: ask both models about the same test images, measure, judge, and show.

evaluation = evaluate(Question(Path("snapshot"), Path("candidate"), champion=Path("models/waste/3")))
evaluation.verdict.decision        # "promote" or "reject"
write(evaluation, Path("out"))     # verdict.json, evaluation.json, predictions.jsonl.gz, report.html
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from binocular import quarantine
from binocular import snapshot as snapshots
from binocular.snapshot import Row
from binocular.verdict import EVALUATION, VERDICT, Verdict
from components.evaluate import contenders, page
from components.evaluate.evidence import Evidence
from components.evaluate.gate import Gate
from components.evaluate.judge import judge
from components.evaluate.mistakes import Answered, Gallery, gallery
from components.evaluate.pictures import Pictures, pictures

PAGE: Final = "report.html"
PREDICTIONS: Final = "predictions.jsonl.gz"
# Probabilities are written to this many digits.
DIGITS: Final = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """May this candidate replace this champion?"""

    snapshot: Path
    candidate: Path
    champion: Path | None = None
    champion_version: int | None = None
    validation: Path | None = None  # validation's report, whose quarantine is left out
    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True)
class Evaluation:
    """The answer, and what it rests on."""

    verdict: Verdict
    evidence: Evidence
    pictures: Pictures
    rows: tuple[Row, ...]
    candidate: Answered
    champion: Answered | None  # None where there is none that answers


def evaluate(question: Question) -> Evaluation:
    """Judge the candidate on the test split of the snapshot."""
    frozen = snapshots.read(question.snapshot)
    test = [row for row in frozen.rows if row.split == "test"]
    kept = [row for row in quarantine.read(question.validation, frozen) if row.split == "test"]
    candidate, model = contenders.candidate(question.candidate)
    champion = contenders.champion(question.champion) if question.champion else None
    rows = contenders.ask([each for each in (candidate, champion) if each], question.snapshot, kept)
    tested = Counter(row.label for row in rows)
    worth_seeing = Gallery()
    opponent = champion.usable if champion else None
    if candidate.usable:
        worth_seeing = gallery(rows, candidate.usable, opponent)
    evidence = Evidence(
        snapshot=frozen.digest,
        tested=dict(sorted(tested.items())),
        unknown={label: tested[label] for label in sorted(tested) if label not in candidate.classes},
        left_out=len(test) - len(kept),
        candidate=candidate.judged(rows, lambda row: row.label in candidate.classes),
        champion=champion.judged(
            rows, lambda row: row.label in candidate.classes and row.label in champion.classes
        )
        if champion
        else None,
        champion_version=question.champion_version,
        comparison=contenders.compare(rows, candidate.usable, opponent),
        gallery=worth_seeing,
    )
    verdict = judge(evidence, question.gate)
    log.info("evaluated", extra={"images": evidence.images, "decision": verdict.decision, "says": verdict.summary})
    return Evaluation(
        verdict,
        evidence,
        pictures(worth_seeing, model, question.snapshot, rows),
        tuple(rows),
        candidate.answered,
        opponent,
    )


def write(evaluation: Evaluation, out: Path) -> None:
    """Write what machines read and what a person reads; the verdict, which the others explain, last."""
    out.mkdir(parents=True, exist_ok=True)
    # Whoever is cut off here leaves no verdict, rather than the one of another run.
    (out / VERDICT).unlink(missing_ok=True)
    evaluation.evidence.write(out / EVALUATION)
    snapshots.write_lines(out / PREDICTIONS, _predictions(evaluation))
    text = page.render(evaluation.verdict, evaluation.evidence, evaluation.pictures)
    (out / PAGE).write_text(text, encoding="utf-8")
    evaluation.verdict.write(out / VERDICT)


def _predictions(evaluation: Evaluation) -> Iterator[dict[str, object]]:
    """A line an image; what is no number is null, which JSON has a word for."""
    for place, row in enumerate(evaluation.rows):
        shares = evaluation.candidate.probabilities[place].astype(float)
        line: dict[str, object] = {
            "sha256": row.sha256,
            "label": row.label,
            "predicted": evaluation.candidate.answer(place).label if np.isfinite(shares).all() else None,
            "probabilities": [round(each, DIGITS) if np.isfinite(each) else None for each in shares.tolist()],
        }
        if evaluation.champion is not None:
            line["champion"] = evaluation.champion.answer(place).label
        yield line
