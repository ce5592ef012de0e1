"""The networks there are: how each looks at pixels, and the classifier made of it.

An architecture is one entry of `NETWORKS`; adding one is adding its function here and its name to the recipe.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from binocular.candidate import FEATURES, IMAGES, POOLED, PROBABILITIES
from components.train import weights
from components.train.recipe import IMAGENET_SIDES, Recipe
from components.train.weights import Origin

LOGITS = "logits"
DROPOUT = "dropout"
# Filters of small_cnn's five stages; each halves the picture.
SMALL = (24, 32, 64, 96, 128)
LARGEST_SIDE = IMAGENET_SIDES[-1]
# Statistics of few steps an epoch have to move faster than Keras's default lets them.
BATCH_NORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class Backbone:
    """A network from uint8 images to features [n, h, w, d]; `digest` tells one set of weights from another."""

    model: Any
    digest: str


def backbone(recipe: Recipe, side: int, origin: Origin) -> Backbone:
    """The network of a recipe for images of this side, with the weights it starts from."""
    images = keras.Input((side, side, 3), dtype="uint8", name=IMAGES)
    network = NETWORKS[recipe.architecture]
    model = network(recipe, images, None)
    digest = ""
    if recipe.pretrained:
        path = weights.find(recipe, _name(recipe, side), lambda: network(recipe, images, "imagenet"), origin)
        digest = weights.load(model, path)
    features = layers.Activation("linear", name=FEATURES)(model.output)
    return Backbone(keras.Model(images, features, name=recipe.architecture), digest)


def _name(recipe: Recipe, side: int) -> str:
    """What tells one network's ImageNet weights from another's."""
    if recipe.architecture != "mobilenet_v2":
        return recipe.architecture
    return f"{recipe.architecture}-{recipe.alpha:g}-{side if side in IMAGENET_SIDES else LARGEST_SIDE}"


def _mobilenet_v2(recipe: Recipe, images: Any, start: str | None) -> Any:  # noqa: ANN401
    side = images.shape[1]
    # Told its shape, Keras takes the weights for that side; told none, it takes the largest.
    shape = (side, side, 3) if side in IMAGENET_SIDES else None
    if start and shape is None:
        images = keras.Input((LARGEST_SIDE, LARGEST_SIDE, 3), dtype="uint8", name=IMAGES)
        shape = (LARGEST_SIDE, LARGEST_SIDE, 3)
    pixels = layers.Rescaling(1 / 127.5, -1, name="to_plus_minus_one")(images)
    return keras.applications.MobileNetV2(
        input_shape=shape,
        include_top=False,
        weights=start,
        input_tensor=pixels,
        alpha=recipe.alpha,
        name=recipe.architecture,
    )


def _efficientnet_v2_b0(recipe: Recipe, images: Any, start: str | None) -> Any:  # noqa: ANN401, ARG001
    pixels = layers.Rescaling(1.0, name="to_float")(images)
    return keras.applications.EfficientNetV2B0(
        include_top=False, weights=start, input_tensor=pixels, include_preprocessing=True
    )


def _small_cnn(recipe: Recipe, images: Any, start: str | None) -> Any:  # noqa: ANN401, ARG001
    x = layers.Rescaling(1 / 127.5, -1, name="to_plus_minus_one")(images)
    for stage, filters in enumerate(SMALL, 1):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{stage}")(x)
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"norm{stage}")(x)
        x = layers.ReLU(name=f"relu{stage}")(x)
        x = layers.MaxPool2D(name=f"pool{stage}")(x)
    return keras.Model(images, x, name=recipe.architecture)


NETWORKS: dict[str, Callable[[Recipe, Any, str | None], Any]] = {
    "mobilenet_v2": _mobilenet_v2,
    "efficientnet_v2_b0": _efficientnet_v2_b0,
    "small_cnn": _small_cnn,
}


def head(dimensions: int, classes: int, recipe: Recipe) -> Any:  # noqa: ANN401
    """A network from one vector of features to logits."""
    vector = keras.Input((dimensions,), name="vector")
    return keras.Model(vector, _logits(vector, classes, recipe), name="head")


def on_features(base: Backbone, classes: int, recipe: Recipe) -> Any:  # noqa: ANN401
    """The whole network from uint8 images to logits, as it is trained."""
    pooled = layers.GlobalAveragePooling2D(name=POOLED)(base.model.output)
    return keras.Model(base.model.input, _logits(pooled, classes, recipe), name=recipe.architecture)


def classifier(trained: Any) -> Any:  # noqa: ANN401
    """The trained network from uint8 images to probabilities, as it is saved."""
    answers = layers.Softmax(name=PROBABILITIES)(trained.output)
    return keras.Model(trained.input, answers, name=trained.name)


def _logits(features: Any, classes: int, recipe: Recipe) -> Any:  # noqa: ANN401
    hidden = layers.Dropout(recipe.dropout, seed=recipe.seed, name=DROPOUT)(features)
    penalty = keras.regularizers.L1L2(l1=recipe.l1, l2=recipe.l2)
    return layers.Dense(classes, kernel_regularizer=penalty, name=LOGITS)(hidden)
