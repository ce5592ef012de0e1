"""Making up for what rounding weights to int8 does to a convolution's answers on the whole.

What comes out of a rectifier is positive, so the errors of a channel's rounded weights do not cancel out over its
inputs: its answers are off to one side. How far is known before anything is rounded, the errors times the mean
inputs, and the bias can take it back (after Nagel et al., Data-Free Quantization Through Weight Equalization and
Bias Correction, 2019). Measured on photos of waste, that leaves a third of the difference to the float network.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

# LiteRT keeps weights symmetric: from -127 to 127 times one scale for each channel of the output.
STEPS = 127
Vector = NDArray[np.float64]

# Keras has no types: a model and a layer are Any.


def correct_biases(network: Any, batches: Iterable[NDArray[np.uint8]]) -> None:  # noqa: ANN401
    """Shift the biases of a folded network's convolutions so that rounding leaves their mean answers alone."""
    affected = [layer for layer in network.layers if _is_affected(layer)]
    if not affected:
        return
    for layer, inputs in zip(affected, _mean_inputs(network, affected, batches), strict=True):
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, bias - _shift(layer, np.asarray(kernel, np.float64), inputs)])


def _is_affected(layer: Any) -> bool:  # noqa: ANN401
    plain = isinstance(layer, layers.Conv2D) and layer.groups == 1
    return (plain or isinstance(layer, layers.DepthwiseConv2D)) and bool(layer.use_bias)


def _mean_inputs(network: Any, affected: list[Any], batches: Iterable[NDArray[np.uint8]]) -> list[Vector]:  # noqa: ANN401
    """For each of these layers the mean of each channel of what goes into it, over all images and places."""
    means = [keras.ops.mean(layer.input, axis=(1, 2)) for layer in affected]
    asked = keras.Model(network.input, means)
    images, sums = 0, [np.zeros(each.shape[-1]) for each in means]
    for batch in batches:
        found = asked.predict_on_batch(batch)
        found = found if isinstance(found, list) else [found]
        sums = [total + each.sum(axis=0, dtype=np.float64) for total, each in zip(sums, found, strict=True)]
        images += len(batch)
    return [total / max(images, 1) for total in sums]


def _shift(layer: Any, kernel: Vector, inputs: Vector) -> Vector:  # noqa: ANN401
    """What rounding adds to each channel of the answers in the mean; at the rim it is a little less."""
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    # Of a depthwise kernel, [height, width, channels, multiplier], the last two are the channels of the output.
    scale = np.abs(kernel).max(axis=(0, 1) if depthwise else (0, 1, 2), keepdims=True) / STEPS
    scale = np.where(scale > 0, scale, 1.0)
    errors = (np.round(kernel / scale) * scale - kernel).sum(axis=(0, 1))
    shift: Vector = (errors * inputs[:, None]).reshape(-1) if depthwise else inputs @ errors
    return shift
