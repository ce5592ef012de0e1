"""Whether the int8 graph may stand in for the float one: both answer the test images, and these are the rules.

    before, after = ask(graphs, rows, folder, facts)
    fault = fault_of(before, after)      # None, or what speaks against it, for a person

A graph that gets as many right may still have lost a rare class, or take every other photo for unknown.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from binocular.bundle import INPUT, OUTPUT, SIGNATURE, Compared
from binocular.candidate import FAMILIARITY, Answers
from binocular.chance import HAIR, is_worse, worse_by_chance
from binocular.logs import hushed
from binocular.progress import with_progress
from binocular.report.words import counted, percent, printable
from binocular.snapshot import Row
from components.export.looking import Pixels, looks

# How much less accurate it may be; how much less a class may be recognised, and how many more or fewer images may
# be known, without asking whether that is chance.
MOST_DROP, MOST_CLASS_DROP, MOST_SHIFT = 0.005, 0.02, 0.02
# As the gate of candidates has them by default.
CHANCE, COLLAPSE = 0.05, 0.3

log = logging.getLogger(__name__)


class Graph:
    """A LiteRT graph to ask."""

    def __init__(self, content: bytes) -> None:
        interpreter = Interpreter(model_content=content, num_threads=os.cpu_count())
        with hushed():  # it tells of what it computes with
            interpreter.allocate_tensors()
        self._run = interpreter.get_signature_runner(SIGNATURE)

    def __call__(self, images: Pixels) -> dict[str, NDArray[np.float32]]:
        """What it answers, by the names of its outputs."""
        found: dict[str, NDArray[np.float32]] = self._run(**{INPUT: images})
        return found


@dataclass(frozen=True)
class Answered:
    """What a graph answered to the test images."""

    labels: NDArray[Any]  # what they show
    probabilities: NDArray[np.float32]
    familiarity: NDArray[np.float32] | None
    facts: Answers

    @cached_property
    def calls(self) -> NDArray[Any]:
        """What it calls each image."""
        called: NDArray[Any] = np.array(self.facts.classes, dtype=object)[self.probabilities.argmax(axis=1)]
        return called

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which images it calls what they show."""
        return np.asarray(self.calls == self.labels, np.bool_)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which images it does not take for unknown."""
        known: NDArray[np.bool_] = self.probabilities.max(axis=1) >= (self.facts.sure_from or 0)
        if self.familiarity is not None and self.facts.familiar_from is not None:
            known = known & (self.familiarity >= self.facts.familiar_from)
        return known

    @property
    def finite(self) -> bool:
        """Whether all of it is numbers."""
        found = [self.probabilities] + ([] if self.familiarity is None else [self.familiarity])
        return all(bool(np.isfinite(each).all()) for each in found)


def ask(graphs: Sequence[Graph], rows: Sequence[Row], folder: Path, facts: Answers) -> list[Answered]:
    """What graphs answer to the images of these rows, one at a time, as they are served."""
    labels: list[str] = []
    found: list[list[dict[str, NDArray[np.float32]]]] = [[] for _ in graphs]
    for row, pixels in with_progress(looks(rows, folder, facts), log, "comparing with int8", of=len(rows)):
        labels.append(row.label)
        for graph, answers in zip(graphs, found, strict=True):
            answers.append(graph(pixels[None]))
    return [_answered(labels, answers, facts) for answers in found]


def _answered(labels: list[str], answers: list[dict[str, NDArray[np.float32]]], facts: Answers) -> Answered:
    probabilities = np.concatenate([each[OUTPUT] for each in answers])
    tells = FAMILIARITY in answers[0]
    familiarity = np.concatenate([each[FAMILIARITY] for each in answers]) if tells else None
    return Answered(np.array(labels, dtype=object), probabilities, familiarity, facts)


def compared(before: Answered, after: Answered) -> Compared:
    """The figures that the rules go by."""
    return Compared(
        images=len(before.labels),
        float_accuracy=float(before.right.mean()),
        accuracy=float(after.right.mean()),
        agreement=float((before.calls == after.calls).mean()),
        float_known=float(before.known.mean()),
        known=float(after.known.mean()),
    )


def fault_of(before: Answered, after: Answered) -> str | None:
    """What speaks against serving the second in place of the first; None if nothing does."""
    return next(_faults(before, after), None)


def _faults(before: Answered, after: Answered) -> Iterator[str]:
    if not after.finite:
        yield "it answers NaN or infinity"
        return
    images = len(before.labels)
    accuracy, right = before.right.mean(), after.right.mean()
    if accuracy - right > MOST_DROP + HAIR:
        yield (
            f"accuracy falls from {percent(accuracy)} to {percent(right)} of {counted(images, 'test image')}; it"
            f" may fall by {100 * MOST_DROP:g} points"
        )
    yield from _classes(before, after)
    lost, won = (int((one.known & ~other.known).sum()) for one, other in ((before, after), (after, before)))
    by_chance = worse_by_chance(min(lost, won), max(lost, won)) >= CHANCE
    if abs(lost - won) / images > MOST_SHIFT + HAIR and not by_chance:
        yield (
            f"{percent(after.known.mean())} of {counted(images, 'test image')} are known to it, to the float graph"
            f" {percent(before.known.mean())}: the lines below which an answer is unknown would not hold"
        )


def _classes(before: Answered, after: Answered) -> Iterator[str]:
    classes = sorted(set(before.labels))
    for label in classes:
        of_class = before.labels == label
        was, now = before.right[of_class], after.right[of_class]
        broken, fixed, images = int((was & ~now).sum()), int((~was & now).sum()), len(was)
        fell = (broken - fixed) / images > MOST_CLASS_DROP + HAIR
        if fell and is_worse(fixed, broken, images, chance=CHANCE / len(classes), collapse=COLLAPSE):
            yield (
                f"{printable(label)} is recognised in {percent(now.mean())} of {counted(images, 'test image')}, by"
                f" the float graph in {percent(was.mean())}: {fixed} fixed, {broken} broken"
            )
