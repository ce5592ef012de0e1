"""A second output of the exported model: how near an image comes to what the network learnt from."""

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from binocular.candidate import POOLED


def with_familiarity(model: Any, prototypes: NDArray[np.float32]) -> Any:  # noqa: ANN401 - Keras has no types
    """A classifier that also answers, for each image, the largest cosine between its vector and a prototype."""
    direction = layers.UnitNormalization(name="direction")(model.get_layer(POOLED).output)
    near = layers.Dense(len(prototypes), use_bias=False, name="prototypes")
    familiarity = keras.ops.max(near(direction), axis=-1)
    near.set_weights([prototypes.T])
    return keras.Model(model.input, [model.output, familiarity])
