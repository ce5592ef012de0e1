"""A MobileNetV2 as our export publishes it, and the same model as others load it.

    made = make(Path("scratch"), alpha=1.0, side=160)
    made.version     # a bundle: SavedModel, LiteRT model, facts, labels, golden images
    made.keras       # model.keras, for `model.predict`

With `int8=True` LiteRT gets its int8 form. With random weights it takes as long as with learnt ones.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from benchmarks.processes import process
from binocular.bundle import CARD, FACTS, GOLDEN, INPUT, LABELS, LITERT, OUTPUT, Bundle
from binocular.candidate import POOLED
from binocular.sample.spec import CLASSES

NAME = "waste"
GOLDEN_IMAGES = 4


@dataclass(frozen=True)
class Made:
    """Where the model lies."""

    folder: Path
    side: int

    @property
    def version(self) -> Path:
        """The version folder."""
        return self.folder / NAME / "1"

    @property
    def litert(self) -> Path:
        """The LiteRT model."""
        return self.version / LITERT

    @property
    def keras(self) -> Path:
        """The model as Keras saves it."""
        return self.folder / "model.keras"


def make(folder: Path, alpha: float, side: int, *, int8: bool = False) -> Made:
    """Make the model in a process of its own: this one shall not hold tensorflow while it measures."""
    form = ["--int8"] if int8 else []
    process("-m", "benchmarks.models", str(folder), f"--alpha={alpha}", f"--side={side}", *form)
    return Made(folder, side)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--alpha", type=float, required=True)
@click.option("--side", type=int, required=True)
@click.option("--int8", is_flag=True)
def main(folder: Path, alpha: float, side: int, *, int8: bool) -> None:
    """Make it. Imports tensorflow."""
    import keras  # noqa: PLC0415

    from components.export.graphs import write_graphs  # noqa: PLC0415
    from components.export.quantising import quantised  # noqa: PLC0415

    made, facts = Made(folder, side), _facts(side)
    images = keras.Input((side, side, 3), dtype="uint8", name=INPUT)
    pixels = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    body = keras.applications.MobileNetV2(include_top=False, weights=None, alpha=alpha, input_tensor=pixels)
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLED)(body.output)
    answers = keras.layers.Dense(len(CLASSES), activation="softmax", name=OUTPUT)(pooled)
    model = keras.Model(images, answers)
    made.version.mkdir(parents=True)
    model.save(made.keras)
    write_graphs(model, facts, made.version)
    golden = np.random.default_rng(0).integers(0, 256, (GOLDEN_IMAGES, side, side, 3), np.uint8)
    if int8:
        made.litert.write_bytes(quantised(model, facts, lambda: golden))
    np.savez(made.version / GOLDEN, **{INPUT: golden, OUTPUT: model.predict(golden, verbose=0)})
    (made.version / LABELS).write_text(json.dumps(CLASSES))
    (made.version / CARD).write_text("Random weights, to measure with.\n")
    facts.write(made.version / FACTS)


def _facts(side: int) -> Bundle:
    return Bundle(
        classes=CLASSES,
        height=side,
        width=side,
        name=NAME,
        run="benchmark",
        created="2026-01-01T00:00:00+00:00",
        snapshot=None,
        counts={},
        architecture="mobilenet_v2",
        weights="none",
        recipe={},
        chosen=(),
        metrics={},
        champion=None,
        energy=None,
    )


if __name__ == "__main__":
    main()
