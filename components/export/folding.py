"""Folding batch normalisation into the convolutions before it: the same answers from fewer steps."""

from typing import Any

import keras
import numpy as np
from keras import layers

# Keras has no types: a model, a layer and a tensor are Any.
_FOLDS = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)


class _Gone(layers.Layer):  # type: ignore[misc]
    """Stands where a batch normalisation was, called as it was called."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ANN401, ARG002, FBT001
        return inputs


def folded(model: Any) -> Any:  # noqa: ANN401
    """A copy of a functional model in which no batch normalisation follows a convolution directly."""
    norms = _followers(model)
    replaced = {norm.name for norm in norms.values()}

    def clone(layer: Any) -> Any:  # noqa: ANN401
        if layer.name in norms:
            return type(layer).from_config({**layer.get_config(), "use_bias": True})
        if layer.name in replaced:
            return _Gone(name=layer.name)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer.name in norms:
            copy.get_layer(layer.name).set_weights(_merged(layer, norms[layer.name]))
        elif layer.weights and layer.name not in replaced:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _followers(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """By the name of each layer that can take one in: the batch normalisation that alone follows it."""
    consumers: dict[str, list[Any]] = {}
    for layer in model.layers:
        for tensor in _inputs(layer):
            consumers.setdefault(tensor._keras_history.operation.name, []).append(layer)  # noqa: SLF001
    found = {}
    for layer in model.layers:
        after = consumers.get(layer.name, [])
        plain = isinstance(layer, _FOLDS) and layer.activation is keras.activations.linear
        if plain and len(after) == 1 and isinstance(after[0], layers.BatchNormalization):
            found[layer.name] = after[0]
    return found


def _inputs(layer: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(layer, layers.InputLayer):
        return []
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _merged(layer: Any, norm: Any) -> list[Any]:  # noqa: ANN401
    """Kernel and bias that do what the layer and the normalisation after it do."""
    mean, variance = (np.asarray(each, np.float64) for each in (norm.moving_mean, norm.moving_variance))
    gain = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        gain = gain * np.asarray(norm.gamma, np.float64)
    shift = np.asarray(norm.beta, np.float64) if norm.center else 0.0
    kernel, *rest = (np.asarray(each, np.float64) for each in layer.get_weights())
    bias = rest[0] if rest else 0.0
    # A depthwise kernel ends in (channels, multiplier), every other in the channels of the output.
    shape = kernel.shape[-2:] if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[-1:]
    return [(kernel * gain.reshape(shape)).astype(np.float32), (shift + (bias - mean) * gain).astype(np.float32)]
