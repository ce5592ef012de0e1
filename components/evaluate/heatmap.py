"""Where a model looked: Grad-CAM on the layer named `features`, for the class it answered.

    heatmaps = Heatmaps.of(model)                  # None, and why, where the model has no such layer
    heatmaps.about(pixels, [3])                    # [n, height, width] from 0 to 1
    overlaid(picture, heat)                        # the picture under its heat

A feature map counts as much as the answer would rise if it were stronger everywhere (Selvaraju et al., 2017). The
answer is taken before the softmax: behind it, a model that is sure has no gradient left.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from binocular.candidate import FEATURES, PROBABILITIES
from components.evaluate.models import KerasModel, Pixels

Heat = NDArray[np.float32]
# From cold, which leaves the picture as it is, to hot.
COLOURS: Final = np.array([[48, 18, 96], [150, 30, 110], [232, 80, 60], [252, 170, 40], [252, 250, 160]], float)
MOST_OPAQUE: Final = 0.72


@dataclass(frozen=True)
class Heatmaps:
    """A model that shows what it looked at."""

    front: Any  # images -> features
    rest: Any  # features -> what the last layer sees
    last: Any  # the layer that makes probabilities of it

    @classmethod
    def of(cls, model: KerasModel) -> tuple[Self | None, str | None]:
        """The heatmaps of a model; without, why there are none."""
        keras = importlib.import_module("keras")
        try:
            features, last = model.keras.get_layer(FEATURES), model.keras.get_layer(PROBABILITIES)
            front = keras.Model(model.keras.inputs, features.output)
            made = cls(front, keras.Model(features.output, last.input), last)
            made.about(np.zeros((1, model.facts.height, model.facts.width, 3), np.uint8), [0])
            return made, None
        except Exception as error:  # noqa: BLE001 - any graph may come; a missing picture spoils no verdict
            reason = " ".join(str(error).split()).partition(". Existing")[0]
            return None, f"no heatmaps: they need the layers {FEATURES} and {PROBABILITIES} ({reason})"

    def about(self, images: Pixels, classes: Sequence[int]) -> Heat:
        """How much each place of each image speaks for its class, from 0 to 1."""
        tf = importlib.import_module("tensorflow")
        chosen = tf.one_hot(list(classes), self.last.output.shape[-1])
        features = self.front(tf.constant(images), training=False)
        with tf.GradientTape() as tape:
            tape.watch(features)
            scores = tf.reduce_sum(self._before_softmax(self.rest(features, training=False)) * chosen)
        gradient = tape.gradient(scores, features)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        return _scaled(tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy())

    def _before_softmax(self, before: Any) -> Any:  # noqa: ANN401 - a tensor; TensorFlow has no types
        """A dense layer with a softmax inside is taken apart; a layer that is only the softmax is left away."""
        if not hasattr(self.last, "kernel"):
            return before
        bias = 0 if self.last.bias is None else self.last.bias
        return before @ self.last.kernel + bias


def _scaled(heat: Heat) -> Heat:
    hottest = heat.max((1, 2), keepdims=True)
    scaled: Heat = np.divide(heat, hottest, out=np.zeros_like(heat), where=hottest > 0)
    return scaled


def overlaid(picture: Image.Image, heat: Heat) -> Image.Image:
    """The picture, and over it the heat."""
    fine = Image.fromarray(heat.astype(np.float32)).resize(picture.size, Image.Resampling.BICUBIC)
    level = np.clip(np.asarray(fine), 0, 1)[..., None]
    places = np.linspace(0, 1, len(COLOURS))
    colour = np.concatenate([np.interp(level, places, COLOURS[:, each]) for each in range(3)], axis=-1)
    opaque = MOST_OPAQUE * np.sqrt(level)
    mixed = np.asarray(picture, dtype=float) * (1 - opaque) + colour * opaque
    return Image.fromarray(np.rint(mixed).astype(np.uint8))
