"""An int8 graph where it is as good as the float one: made, asked beside it, and taken or left, with the reason.

    became = stand_in(model, facts, material, folder)     # model.tflite is the int8 graph where became.taken

Where it is left the float graph stays, and that is no failure: it is a decision, and its figures are kept.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binocular.bundle import LITERT, Compared, Quantization
from binocular.candidate import Answers
from binocular.errors import BinocularError
from binocular.report.words import counted, percent, printable
from binocular.snapshot import Row
from components.export.choices import INT8
from components.export.comparing import Graph, ask, compared, fault_of
from components.export.golden import called_otherwise
from components.export.looking import Pixels, dealt, looks
from components.export.quantising import quantised

# Training images that say how large each channel's numbers get; with 20 of them it came to the same.
CALIBRATED_ON = 200
LONGEST_REASON = 200
MB = 1e6

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """What both graphs are judged by."""

    rows: Sequence[Row]  # all that are used
    snapshot: Path
    golden: Pixels
    expected: Mapping[str, NDArray[np.float32]]  # what Keras answers to the golden images


def stand_in(model: Any, facts: Answers, material: Material, folder: Path) -> Quantization:  # noqa: ANN401 - Keras has no types
    """Put an int8 graph in the place of a folder's LiteRT graph if it is as good; what became of it."""
    before = (folder / LITERT).read_bytes()
    learnt_from = dealt(material.rows, "train", CALIBRATED_ON)
    log.info("quantising", extra={"images": len(learnt_from)})

    def images() -> Iterator[Pixels]:
        return (pixels for _, pixels in looks(learnt_from, material.snapshot, facts))

    try:
        after = quantised(model, facts, images)
        graph = Graph(after)
        graph(material.golden[:1])
    except (BinocularError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - the converter and the interpreter raise anything on what they cannot do
        why = printable(" ".join(str(error).split()))[:LONGEST_REASON] or type(error).__name__
        return _became(before, None, None, f"it could not be made: {why}")
    return _judged(before, after, (Graph(before), graph), facts, material, folder)


def _judged(
    before: bytes, after: bytes, both: tuple[Graph, Graph], facts: Answers, material: Material, folder: Path
) -> Quantization:
    rows = [row for row in material.rows if row.split == "test" and row.label in facts.classes]
    if not rows:
        return _became(before, after, None, "there is no test image of a class that it knows")
    answered = ask(both, rows, material.snapshot, facts)
    fault = fault_of(*answered) or called_otherwise(material.expected, both[1](material.golden), facts.classes)
    if fault is None:
        (folder / LITERT).write_bytes(after)
    return _became(before, after, compared(*answered), fault)


def _became(before: bytes, after: bytes | None, found: Compared | None, fault: str | None) -> Quantization:
    figures = _figures(before, after, found)
    reason = f"int8 was left, and the float graph is served: {fault}" if fault else "int8 was taken"
    became = Quantization(
        kind=INT8,
        taken=fault is None,
        reason=f"{reason}{figures}.",
        float_bytes=len(before),
        bytes=None if after is None else len(after),
        compared=found,
    )
    log.info("quantised" if became.taken else "not quantised", extra={"why": became.reason})
    return became


def _figures(before: bytes, after: bytes | None, found: Compared | None) -> str:
    if after is None or found is None:
        return ""
    return (
        f". Of {counted(found.images, 'test image')} it gets {percent(found.accuracy)} right, the float graph"
        f" {percent(found.float_accuracy)}; both call {percent(found.agreement)} the same; {percent(found.known)}"
        f" are known to it, {percent(found.float_known)} to the float graph; {len(after) / MB:.3g} MB instead of"
        f" {len(before) / MB:.3g} MB"
    )
