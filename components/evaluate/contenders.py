"""Candidate and champion as they come out of the evaluation: their answers, and what is known about them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binocular.bundle import TOLERANCE, Bundle
from binocular.candidate import Candidate
from binocular.errors import BinocularError
from binocular.report.words import printable
from binocular.snapshot import Row
from components.evaluate.asking import Asked, ask_all, latencies
from components.evaluate.evidence import Comparison, Judged, Latency, PairedClass, paired, probability_fault
from components.evaluate.measures import measure
from components.evaluate.mistakes import Answered
from components.evaluate.models import KerasModel, load_candidate, load_champion

# A champion that could not even be loaded.
UNKNOWN = "unknown"


class Contender:
    """A model and its answers to the test images."""

    def __init__(self, asked: Asked | None, fault: str | None, snapshot: str | None, architecture: str) -> None:
        self.asked = asked
        self.snapshot = snapshot
        self.architecture = architecture
        self.classes = asked.model.facts.classes if asked else ()
        self._fault = fault
        self.latency: Latency | None = None
        self.answered = Answered(np.zeros((0, 0), np.float32), self.classes)

    @property
    def fault(self) -> str | None:
        """Why it cannot be judged."""
        return self._fault or (self.asked.fault if self.asked else None)

    @property
    def usable(self) -> Answered | None:
        """Its answers, unless there is a fault."""
        return self.answered if self.fault is None else None

    def settle(self, rows: Sequence[Row], order: Sequence[int]) -> None:
        """Take over the answers, in this order, once all are in."""
        if self.asked is None or self.fault is not None:
            return
        self.answered = Answered(self.asked.answers()[list(order)], self.classes)
        names = [printable(row.sources[0]) for row in rows]
        self._fault = probability_fault(self.answered.probabilities, names)

    def judged(self, rows: Sequence[Row], counts: Callable[[Row], bool]) -> Judged:
        """What is known about it, measured on the rows that count."""
        places = [place for place, row in enumerate(rows) if counts(row)] if self.fault is None else []
        labels = [rows[place].label for place in places]
        probabilities = self.answered.probabilities[places]
        facts = self.asked.model.facts if self.asked else None
        return Judged(
            self.snapshot,
            self.architecture,
            self.classes,
            facts.height if facts else 0,
            facts.width if facts else 0,
            self.asked.model.size if self.asked else 0,
            self.latency if self.fault is None else None,
            self.fault,
            measure(labels, probabilities, self.classes) if self.fault is None else None,
        )


def candidate(folder: Path) -> tuple[Contender, KerasModel]:
    """The candidate in a folder; one that does not load is an error, for training has just written it."""
    model, facts = load_candidate(folder), Candidate.read(folder)
    return Contender(Asked(model, may_fail=False), None, facts.snapshot, facts.architecture), model


def champion(folder: Path) -> Contender:
    """The champion in a folder; one that does not load is a contender with a fault."""
    try:
        model, facts = load_champion(folder), Bundle.read(folder)
    except (BinocularError, OSError) as error:
        return Contender(None, printable(str(error)), None, UNKNOWN)
    digest = facts.snapshot.digest if facts.snapshot else None
    return Contender(Asked(model, may_fail=True), None, digest, facts.architecture)


def ask(contenders: Sequence[Contender], folder: Path, rows: Sequence[Row]) -> list[Row]:
    """Ask all of them about all rows of a snapshot's folder; the rows in the order of the settled answers."""
    asked = [each.asked for each in contenders if each.asked is not None]
    in_packs = ask_all(asked, folder, rows)
    # In the order of the packs, ties would fall differently for the same data packed otherwise.
    order = sorted(range(len(in_packs)), key=lambda place: (in_packs[place].sha256, in_packs[place].label))
    ordered = [in_packs[place] for place in order]
    if ordered:
        _time(contenders, folder, ordered[0])
    for each in contenders:
        each.settle(ordered, order)
    return ordered


def _time(contenders: Sequence[Contender], folder: Path, row: Row) -> None:
    able = [(each, each.asked) for each in contenders if each.asked is not None and each.fault is None]
    taken = latencies([asked for _, asked in able], folder, row)
    for (contender, _), milliseconds in zip(able, taken, strict=True):
        p50, p95 = np.quantile(milliseconds, (0.5, 0.95))
        contender.latency = Latency(float(p50), float(p95))


def compare(rows: Sequence[Row], candidate: Answered | None, champion: Answered | None) -> Comparison | None:
    """Both on the images whose label both know; None where there is nothing to compare with."""
    if candidate is None or champion is None:
        return None
    common = set(candidate.classes) & set(champion.classes)
    labels = np.array([row.label for row in rows], dtype=object)
    right, champion_right = candidate.right(rows), champion.right(rows)
    known = np.isin(labels, list(common)) if len(labels) else np.zeros(0, dtype=np.bool_)
    answers = [each.labels()[known] for each in (candidate, champion)]
    classes = {}
    for label in sorted(common):
        recognised = paired(right[labels == label], champion_right[labels == label])
        if recognised is not None:
            classes[label] = PairedClass(recognised, *(_f1(label, labels[known], each) for each in answers))
    return Comparison(
        added=tuple(label for label in candidate.classes if label not in common),
        removed=tuple(label for label in champion.classes if label not in common),
        overall=paired(right[known], champion_right[known]),
        classes=classes,
        same_answers=_same_answers(candidate, champion),
    )


def _f1(label: str, labels: NDArray[Any], answers: NDArray[Any]) -> float:
    is_label, is_answer = labels == label, answers == label
    return float(2 * (is_label & is_answer).sum() / (is_label.sum() + is_answer.sum()))


def _same_answers(one: Answered, other: Answered) -> bool:
    if set(one.classes) != set(other.classes) or not len(one.probabilities):
        return False
    columns = [other.classes.index(label) for label in one.classes]
    return bool(np.abs(one.probabilities - other.probabilities[:, columns]).max() <= TOLERANCE)
