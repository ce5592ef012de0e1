"""Several devices of one machine that train at once: each takes an equal part of every batch.

    recipe, chosen = choose_devices(recipe)         # 0 becomes a number; more than there are is refused
    with spread(model, recipe.devices) as copy:     # on one device, the model itself
        copy.fit(…)                                 # batches of a multiple of `devices`

A step sees the recipe's batch whatever the number of devices, and statistics of batch normalisation are those of
the whole batch; so the training comes to the same on one device as on several. Everything else (the head,
embeddings, answers to validation images, saving) is done by the model itself, on one device.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from binocular.candidate import Choice
from binocular.errors import SettingError
from components.train.recipe import Recipe


def choose_devices(recipe: Recipe) -> tuple[Recipe, tuple[Choice, ...]]:
    """The recipe with its number of devices; SettingError where it asks for what is not here."""
    kind, names = _visible()
    if recipe.devices > len(names):
        raise SettingError(
            f"devices is {recipe.devices}, and TensorFlow sees {len(names)} {kind} here: lower it, or give the"
            " training more"
        )
    if recipe.devices and recipe.batch_size % recipe.devices:
        raise SettingError(
            f"batch_size is {recipe.batch_size}, which {recipe.devices} devices cannot share equally: make it a"
            " multiple of devices"
        )
    # Of three devices, two take part in batches of 32.
    fitting = next(number for number in range(len(names), 0, -1) if recipe.batch_size % number == 0)
    if recipe.devices or fitting == 1:
        return replace(recipe, devices=recipe.devices or 1), ()
    why = f"TensorFlow sees {len(names)} {kind}s and a batch is {recipe.batch_size} images"
    return replace(recipe, devices=fitting), (Choice(name="devices", value=str(fitting), because=why),)


@contextmanager
def spread(model: Any, devices: int) -> Iterator[Any]:  # noqa: ANN401 - Keras has no types
    """A model that trains on so many devices what `model` then holds."""
    if devices == 1:
        yield model
        return
    with _strategy(devices).scope():
        copy = keras.models.clone_model(model, clone_function=_synchronised)
        copy.set_weights(model.get_weights())
        yield copy
    model.set_weights(copy.get_weights())


def _visible() -> tuple[str, tuple[str, ...]]:
    """What a training can use: the GPUs, or else the processor, which is one device however many cores it has."""
    for kind in ("GPU", "CPU"):
        if found := tf.config.list_logical_devices(kind):
            return kind, tuple(each.name for each in found)
    raise SettingError("TensorFlow sees no device here")  # pragma: no cover - there is always a processor


# One for a process: what its collective operations are called is counted from the start in each.
@cache
def _strategy(devices: int) -> Any:  # noqa: ANN401 - TensorFlow has no types
    return tf.distribute.MirroredStrategy(_visible()[1][:devices])


def _synchronised(layer: Any) -> Any:  # noqa: ANN401
    """The same layer; statistics that are learnt are those of all devices' images together."""
    settings = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
        settings["synchronized"] = True
    return type(layer).from_config(settings)
