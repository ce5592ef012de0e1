"""Folding batch normalisation changes what a network computes, not what it answers."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from components.export.folding import folded
from components.train import architectures
from components.train.recipe import ARCHITECTURES, Recipe
from components.train.shelf import FolderShelf
from components.train.weights import Origin

SIDE = 64


def norms(model: keras.Model) -> int:
    return sum(isinstance(layer, layers.BatchNormalization) for layer in model.layers)


def unsettled(model: keras.Model) -> None:
    """Give every batch normalisation statistics of its own: fresh ones do nothing."""
    draw = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shapes = [values.shape for values in layer.get_weights()]
            layer.set_weights([draw.uniform(0.5, 1.5, shape) for shape in shapes])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_network_answers_as_before_with_fewer_steps(architecture: str, tmp_path: Path) -> None:
    fresh = Recipe(architecture=architecture, alpha=0.35, weights=str(tmp_path / "net.weights.h5"))
    images = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="images")
    architectures.NETWORKS[architecture](fresh, images, None).save_weights(fresh.weights)
    base = architectures.backbone(fresh, SIDE, Origin(FolderShelf(tmp_path), None, tmp_path))
    model = architectures.classifier(architectures.on_features(base, 3, fresh))
    unsettled(model)

    network = folded(model)

    pixels = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    assert np.allclose(model(pixels, training=False), network(pixels, training=False), atol=1e-4)
    assert norms(network) == 0 < norms(model)


def test_what_does_not_follow_a_convolution_alone_stays() -> None:
    images = keras.Input((8, 8, 3))
    shared = layers.Conv2D(4, 3, name="shared")(images)
    active = layers.Conv2D(4, 3, activation="relu", name="active")(images)
    both = layers.Add()([layers.BatchNormalization()(shared), layers.BatchNormalization()(active), shared])
    model = keras.Model(images, layers.GlobalAveragePooling2D()(both))
    unsettled(model)

    network = folded(model)

    pixels = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)
    assert np.allclose(model(pixels), network(pixels), atol=1e-5)
    assert norms(network) == norms(model) == 2
