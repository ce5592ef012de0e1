"""A MobileNetV2 as our export publishes it, and the same model as others load it.

    made = make(Path("scratch"), alpha=1.0, side=160)
    made.version     # a bundle: SavedModel, LiteRT model, facts, labels, golden images
    made.keras       # model.keras, for `model.predict`

With random weights it takes as long as with learnt ones.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from binocular.bundle import CARD, FACTS, GOLDEN, INPUT, LABELS, LITERT, OUTPUT, Bundle
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


def make(folder: Path, alpha: float, side: int, weights: Path | None = None) -> Made:
    """Make the model in a process of its own: this one shall not hold tensorflow while it measures."""
    options = [f"--alpha={alpha}", f"--side={side}", *([f"--weights={weights}"] if weights else [])]
    subprocess.run(
        [sys.executable, "-m", "benchmarks.models", str(folder), *options],
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return Made(folder, side)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--alpha", type=float, required=True)
@click.option("--side", type=int, required=True)
@click.option("--weights", type=click.Path(path_type=Path))
def main(folder: Path, alpha: float, side: int, weights: Path | None) -> None:
    """Make it. Imports tensorflow."""
    import keras  # noqa: PLC0415

    made = Made(folder, side)
    body = keras.applications.MobileNetV2(
        include_top=False,
        weights=str(weights) if weights else None,
        alpha=alpha,
        input_shape=(side, side, 3),
        pooling="avg",
    )
    images = keras.Input((side, side, 3), dtype="uint8", name=INPUT)
    pixels = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    answers = keras.layers.Dense(len(CLASSES), activation="softmax", name=OUTPUT)(body(pixels, training=False))
    model = keras.Model(images, answers)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(made.keras)
    _export(model, made)
    golden = np.random.default_rng(0).integers(0, 256, (GOLDEN_IMAGES, side, side, 3), np.uint8)
    np.savez(made.version / GOLDEN, **{INPUT: golden, OUTPUT: model.predict(golden, verbose=0)})
    (made.version / LABELS).write_text(json.dumps(CLASSES))
    (made.version / CARD).write_text("Random weights, to measure with.\n")
    _facts(side).write(made.version / FACTS)


def _export(model: Any, made: Made) -> None:  # noqa: ANN401 - Keras has no types
    """The frozen SavedModel and the LiteRT model, as our export makes them."""
    import tensorflow as tf  # noqa: PLC0415
    from tensorflow.python.framework.convert_to_constants import (  # noqa: PLC0415
        convert_variables_to_constants_v2 as freeze,
    )

    spec = tf.TensorSpec([None, made.side, made.side, 3], tf.uint8, name=INPUT)
    frozen = freeze(tf.function(lambda images: model(images, training=False)).get_concrete_function(spec))
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tf.import_graph_def(frozen.graph.as_graph_def(), name="")
        signature = v1.saved_model.predict_signature_def(
            {INPUT: graph.get_tensor_by_name(frozen.inputs[0].name)},
            {OUTPUT: graph.get_tensor_by_name(frozen.outputs[0].name)},
        )
        builder = v1.saved_model.Builder(str(made.version))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    made.litert.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(made.version)).convert())


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
