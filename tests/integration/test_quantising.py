"""The int8 form of a network: what computes in int8 and what does not, and that rounding moves no answer aside."""

from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from numpy.typing import NDArray

from binocular.bundle import LITERT
from binocular.candidate import POOLED, Answers
from components.export.comparing import Graph
from components.export.familiarity import with_familiarity
from components.export.graphs import write_graphs
from components.export.quantising import quantised
from components.export.rounding import STEPS, correct_biases

SIDE = 24
FACTS = Answers(classes=("a", "b", "c"), height=SIDE, width=SIDE)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Grey gradients with some noise: like photos, their neighbouring pixels are alike."""
    draw = np.random.default_rng(0)
    ramps = np.linspace(0, 1, SIDE)[:, None, None] * draw.uniform(60, 200, (16, 1, 1, 3))
    return (ramps + draw.uniform(0, 50, (16, SIDE, SIDE, 3))).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    shown = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="images")
    x = layers.Rescaling(1 / 127.5, -1)(shown)
    # TensorFlow has a gradient of its own for this one, as EfficientNet uses it.
    x = layers.Conv2D(8, 3, padding="same", activation="silu", name="plain")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu", name="depthwise")(x)
    x = layers.Conv2D(16, 1, activation="relu", name="pointwise")(x)
    pooled = layers.GlobalAveragePooling2D(name=POOLED)(x)
    answers = layers.Softmax(name="probabilities")(layers.Dense(3, name="logits")(pooled))
    prototypes = np.random.default_rng(1).uniform(size=(4, 16)).astype(np.float32)
    return with_familiarity(keras.Model(shown, answers), prototypes)


def test_convolutions_are_int8_and_what_follows_the_pooled_features_is_not(
    model: keras.Model, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    write_graphs(model, FACTS, tmp_path)
    content = quantised(model, FACTS, lambda: images)

    kinds = {each["name"]: each["dtype"] for each in Interpreter(model_content=content).get_tensor_details()}
    for layer, kind in {
        "plain": np.int8,
        "depthwise": np.int8,
        "pointwise": np.int8,
        "logits": np.float32,
    }.items():
        found = [dtype for name, dtype in kinds.items() if f"/{layer}_1/" in name]
        assert kind in found, layer
    assert not [name for name, dtype in kinds.items() if dtype == np.int8 and ("logits" in name or POOLED in name)]
    before, after = Graph((tmp_path / LITERT).read_bytes())(images), Graph(content)(images)
    assert set(before) == set(after) == {"probabilities", "familiarity"}
    for name, answers in before.items():
        assert 0 < np.abs(answers - after[name]).max() < 0.02, name


def test_rounding_moves_the_mean_answer_of_no_channel(model: keras.Model, images: NDArray[np.uint8]) -> None:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())

    correct_biases(copy, [images[:8], images[8:]])

    for name, axes in {"plain": (0, 1, 2), "depthwise": (0, 1), "pointwise": (0, 1, 2)}.items():
        layer, corrected = model.get_layer(name), copy.get_layer(name)
        kernel, bias = layer.get_weights()
        assert np.array_equal(corrected.get_weights()[0], kernel)
        scale = np.abs(kernel).max(axis=axes, keepdims=True) / STEPS
        rounded = np.round(kernel / scale) * scale

        def answers(weights: list[NDArray[np.float32]], *, of: str = name) -> NDArray[np.float64]:
            """The mean answer of each channel, before its rectifier, away from the rim."""
            plain = keras.models.clone_model(model)
            plain.set_weights(model.get_weights())
            plain.get_layer(of).activation = keras.activations.linear
            plain.get_layer(of).set_weights(weights)
            found = keras.Model(plain.input, plain.get_layer(of).output)(images)
            means: NDArray[np.float64] = np.asarray(found, np.float64)[:, 1:-1, 1:-1].mean(axis=(0, 1, 2))
            return means

        exact = answers([kernel, bias])
        off = np.abs(answers([rounded, bias]) - exact).mean()
        left = np.abs(answers([rounded, corrected.get_weights()[1]]) - exact).mean()
        assert left < 0.2 * off, name
