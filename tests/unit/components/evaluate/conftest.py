from collections import Counter
from collections.abc import Sequence

import numpy as np

from components.evaluate.contenders import compare
from components.evaluate.evidence import Evidence, Judged, Latency, probability_fault
from components.evaluate.measures import measure
from components.evaluate.mistakes import Answered, gallery
from tests.unit.components.validate.conftest import row

SNAPSHOT = "5" * 32
CLASSES = ("cat", "dog", "fox")


def answered(predicted: Sequence[str], classes: Sequence[str], confidence: float = 0.9) -> Answered:
    """Answers with the same confidence, the rest spread evenly."""
    shares = np.full((len(predicted), len(classes)), (1 - confidence) / (len(classes) - 1), np.float32)
    shares[np.arange(len(predicted)), [classes.index(label) for label in predicted]] = confidence
    return Answered(shares, tuple(classes))


def judged(
    labels: Sequence[str], answers: Answered, known: Sequence[str], snapshot: str, latency: float
) -> Judged:
    fault = probability_fault(answers.probabilities, [f"{label}.jpg" for label in labels])
    places = [place for place, label in enumerate(labels) if label in known and label in answers.classes]
    measures = None
    if fault is None:
        measures = measure([labels[place] for place in places], answers.probabilities[places], answers.classes)
    speed = Latency(latency, latency)
    return Judged(snapshot, "small_cnn", answers.classes, 96, 96, 1_000_000, speed, fault, measures)


def evidence(
    labels: Sequence[str],
    candidate: Answered,
    champion: Answered | None = None,
    *,
    learnt_from: str = SNAPSHOT,
    champion_learnt_from: str = "4" * 32,
    latency: float = 3.0,
) -> Evidence:
    """What an evaluation on images of these labels would find."""
    rows = [row(place, label, "test") for place, label in enumerate(labels)]
    tested = Counter(labels)
    candidate_judged = judged(labels, candidate, candidate.classes, learnt_from, latency)
    able = candidate if candidate_judged.fault is None else None
    return Evidence(
        snapshot=SNAPSHOT,
        tested=dict(tested),
        unknown={label: n for label, n in tested.items() if label not in candidate.classes},
        left_out=0,
        candidate=candidate_judged,
        champion=judged(labels, champion, candidate.classes, champion_learnt_from, 2.0) if champion else None,
        champion_version=3 if champion else None,
        comparison=compare(rows, able, champion),
        gallery=gallery(rows, able, champion) if able else gallery([], answered([], CLASSES), None),
    )


def predictions(**right: tuple[int, int]) -> tuple[list[str], list[str]]:
    """Labels and predictions: of each class, how many images and how many of them are recognised."""
    labels, predicted = [], []
    names = sorted({*right, *CLASSES})
    for label, (images, recognised) in right.items():
        other = names[(names.index(label) + 1) % len(names)]
        labels += [label] * images
        predicted += [label] * recognised + [other] * (images - recognised)
    return labels, predicted
