"""The verdict: a pure function of figures.

    verdict = judge(evidence, Gate(min_accuracy=0.9))

Each rule looks at the evidence and says how it came out, in a sentence with the numbers in it, or nothing where
nothing was asked. One that is broken rejects. The names are stable; `docs/evaluate.md` has the table.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

from binocular.report.words import named, percent
from binocular.verdict import Reason, Verdict
from components.evaluate.candidate_rules import OF_CANDIDATE
from components.evaluate.champion_rules import OF_CHAMPION
from components.evaluate.evidence import Evidence, overall
from components.evaluate.gate import Gate
from components.evaluate.reasons import against, tested

# Every rule: what it looks at, and what is wrong where it is broken.
RULES: Final = {
    "test-images": ("Test images", "no test images"),
    "same-data": ("Data", "learnt from other data"),
    "probabilities": ("Answers", "answers that are no probabilities"),
    "classes-known": ("Known classes", "a class it does not know"),
    "classes-tested": ("Tested classes", "a class without test images"),
    "beats-guessing": ("Better than guessing", "no better than guessing"),
    "accuracy-floor": ("Accuracy", "accuracy too low"),
    "macro-f1-floor": ("Macro F1", "macro F1 too low"),
    "class-recall-floor": ("Every class", "a class recognised too rarely"),
    "calibration": ("Confidence", "confidence that cannot be trusted"),
    "champion": ("Champion", "a champion that cannot be judged"),
    "classes-kept": ("Class list", "a class that went"),
    "not-worse": ("Next to the champion", "worse than the champion"),
    "class-not-worse": ("Each class next to the champion", "a class that got worse"),
    "latency": ("Speed", "too slow"),
    "something-new": ("Something new", "nothing new"),
}


def judge(evidence: Evidence, gate: Gate) -> Verdict:
    """May the candidate replace the champion?"""
    reasons = tuple(
        reason for rule in (*OF_CANDIDATE, *OF_CHAMPION) if (reason := rule(evidence, gate)) is not None
    )
    broken = [reason for reason in reasons if not reason.passed]
    return Verdict(
        decision="reject" if broken else "promote",
        summary=_rejection(broken) if broken else _promotion(evidence),
        reasons=reasons,
        asked=asdict(gate),
        snapshot=evidence.snapshot,
        images=evidence.images,
        champion=evidence.champion_version,
        candidate_metrics=dict(overall(evidence.candidate)),
        champion_metrics=dict(overall(evidence.champion)),
    )


def _rejection(broken: Iterable[Reason]) -> str:
    return f"Rejected: {named((RULES[reason.rule][1] for reason in broken), most=4)}"


def _promotion(evidence: Evidence) -> str:
    right = f"accuracy {percent(overall(evidence.candidate)['accuracy'])} on {tested(evidence.images)}"
    if evidence.champion is None:
        return f"Promoted as the first model: {right}"
    compared = evidence.comparison.overall if evidence.comparison else None
    if compared is None:
        return f"Promoted without a comparison: {right}"
    return f"Promoted: {right}, {against(compared)}"
