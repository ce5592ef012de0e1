"""The two graphs of a bundle: a frozen SavedModel for TensorFlow Serving, and the same one for LiteRT."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from binocular.bundle import INPUT, LITERT, OUTPUT, SIGNATURE
from binocular.candidate import FAMILIARITY, Answers
from binocular.logs import hushed
from components.export.folding import folded


def write_graphs(model: Any, answers: Answers, folder: Path) -> None:  # noqa: ANN401 - Keras has no types
    """Write saved_model.pb and model.tflite of a Keras model from uint8 images to probabilities."""
    with hushed():  # the converters tell of every phase they go through
        (folder / LITERT).write_bytes(write_saved_model(folded(model), answers, folder).convert())


def write_saved_model(network: Any, answers: Answers, folder: Path) -> Any:  # noqa: ANN401
    """Write saved_model.pb of a network that is folded already; what converts it for LiteRT."""
    # Nobody learns from it any more, and the gradients of some layers cannot be saved from a frozen graph.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    signatures = {SIGNATURE: _frozen(network, answers)}
    tf.saved_model.save(tf.Module(), str(folder), signatures=signatures, options=options)
    return tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE])


def _frozen(network: Any, answers: Answers) -> Any:  # noqa: ANN401
    """The signature: one graph with its weights as constants."""
    images = tf.TensorSpec((None, answers.height, answers.width, 3), tf.uint8, name=INPUT)

    @tf.function(input_signature=[images])  # type: ignore[untyped-decorator]
    def answer(images: tf.Tensor) -> list[tf.Tensor]:
        answers = network(images, training=False)
        return answers if isinstance(answers, list) else [answers]

    frozen = convert_variables_to_constants_v2(answer.get_concrete_function())

    @tf.function(input_signature=[images])  # type: ignore[untyped-decorator]
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip((OUTPUT, FAMILIARITY), frozen(images), strict=False))

    return serve
