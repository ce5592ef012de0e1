"""What is left of the limit with lighter and heavier models: the way to one costs much the same for all."""

import tempfile
from functools import partial
from pathlib import Path

from benchmarks.limit import limit
from benchmarks.models import make
from benchmarks.page import Row, Table
from benchmarks.predict import LIMIT, MANY, OURS, SMALL_SIDE, ours
from benchmarks.stack import Stack
from benchmarks.timing import SHOW, in_turns, middle, ratio
from binocular.sample.drawing import render

# Widths of a MobileNetV2 with the pixels that it sees.
MODELS = ((0.5, 160), (1.0, 160), (1.0, 224), (1.4, 224))


def measure(rounds: int, seconds: float) -> Table:
    """Each model beside its own limit, in turns."""
    with tempfile.TemporaryDirectory() as scratch:
        photo = Path(scratch) / "photo.jpg"
        photo.write_bytes(render("glass", 1, SMALL_SIDE, 0))
        rows = [_row(Path(scratch), photo, alpha, side, rounds, seconds) for alpha, side in MODELS]
    says = f"20-kB photos on {MANY} connections; MobileNetV2, {rounds} rounds of {seconds:.0f} s each, medians."
    return Table("Lighter and heavier models", says, rows)


def _row(scratch: Path, photo: Path, alpha: float, side: int, rounds: int, seconds: float) -> Row:
    SHOW.print(f"width {alpha}, {side} pixels")
    made = make(scratch / f"{alpha}-{side}", alpha, side)
    with Stack(made.folder) as stack:
        stack.publish(made)
        turns = in_turns(
            {
                LIMIT: partial(limit, made.litert, photo, side, seconds),
                OURS: partial(ours(stack).turn, photo, MANY, seconds),
            },
            rounds,
        )
    return {
        "width": alpha,
        "pixels": side,
        "the limit, images/s": round(middle(turns[LIMIT], lambda it: it.rate), 1),
        "Binocular, images/s": round(middle(turns[OURS], lambda it: it.rate), 1),
        "of the limit": round(ratio(turns[OURS], turns[LIMIT]), 2),
        "CPU ms/image, the limit": round(middle(turns[LIMIT], lambda it: it.cpu_ms), 2),
        "CPU ms/image, Binocular": round(middle(turns[OURS], lambda it: it.cpu_ms), 2),
    }
