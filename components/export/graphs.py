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
        tf.saved_model.save(tf.Module(), str(folder), signatures={SIGNATURE: _frozen(model, answers)})
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE])
        (folder / LITERT).write_bytes(converter.convert())


def _frozen(model: Any, answers: Answers) -> Any:  # noqa: ANN401
    """The signature: one graph with its weights as constants."""
    network = folded(model)
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
