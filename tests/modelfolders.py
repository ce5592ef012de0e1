"""Small real models in version folders, as our export makes them and as anybody might."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from binocular.wire import messages, tensors

SIDE = 8
CLASSES = 3


def make_classifier(folder: Path, favourite: int, *, litert: bool = True, warm_up: bool = True) -> Path:
    """A version that finds the class `favourite` in every picture: frozen graph, LiteRT model, warm-up."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(4, CLASSES)).astype(np.float32) / 100
    bias = np.eye(CLASSES, dtype=np.float32)[favourite] * 5
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        images = tf.compat.v1.placeholder(tf.uint8, [None, SIDE, SIDE, 3], "images")
        convolved = tf.nn.relu(tf.nn.conv2d(tf.cast(images, tf.float32) / 255.0, kernel, 1, "SAME"))
        probabilities = tf.nn.softmax(tf.reduce_mean(convolved, [1, 2]) @ weights + bias)
        v1 = tf.compat.v1.saved_model
        signature = v1.predict_signature_def({"images": images}, {"probabilities": probabilities})
        builder = v1.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    if litert:
        model = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
        (folder / "model.tflite").write_bytes(model)
    if warm_up:
        write_warm_up(folder, [np.zeros((1, SIDE, SIDE, 3), np.uint8)])
    (folder / "binocular.json").write_text("{}")
    return folder


def write_warm_up(folder: Path, pictures: list[np.ndarray]) -> None:
    """Warm-up requests with these tensors."""
    (folder / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for picture in pictures:
            log = messages.PredictionLog()
            log.predict_log.request.model_spec.name = "any"
            log.predict_log.request.inputs["images"].CopyFrom(tensors.to_proto(picture))
            writer.write(log.SerializeToString())


class _Anybodys(tf.Module):  # type: ignore[misc]
    """Several signatures, inputs and outputs, variables, strings, and a convolution without a known rank."""

    def __init__(self) -> None:
        self.factor = tf.Variable(2.0)
        self.kernel = tf.Variable(tf.ones([3, 3, 3, 1]))

    def combine(self, a: Any, b: Any) -> dict[str, Any]:
        return {"sum": self.factor * (a + b), "whole": tf.cast(a, tf.int64)}

    def shout(self, text: Any) -> dict[str, Any]:
        return {"loud": tf.strings.upper(text), "loud_bytes": tf.strings.join([text, text])}

    def convolve(self, x: Any) -> dict[str, Any]:
        return {"y": tf.nn.conv2d(x, self.kernel, 1, "SAME")}

    def ragged(self, x: Any) -> dict[str, Any]:
        return {"rows": tf.reduce_sum(x, 1), "all": tf.reduce_sum(x)}


def make_anybodys(folder: Path) -> Path:
    """A SavedModel as tf.saved_model.save writes it, with variables beside the graph."""
    module = _Anybodys()
    numbers, anything = tf.TensorSpec([None], tf.float32), tf.TensorSpec(None, tf.float32)
    takes = {
        "serving_default": (module.combine, {"a": numbers, "b": numbers}),
        "shout": (module.shout, {"text": tf.TensorSpec([None], tf.string)}),
        "convolve": (module.convolve, {"x": anything}),
        "ragged": (module.ragged, {"x": tf.TensorSpec([None, None], tf.float32)}),
    }
    signatures = {key: tf.function(call).get_concrete_function(**specs) for key, (call, specs) in takes.items()}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def publish(made: Path, base: Path, version: int) -> Path:
    """Put a version where a server looks for it, whole at once."""
    base.mkdir(parents=True, exist_ok=True)
    hidden = base / f".{version}"
    shutil.copytree(made, hidden)
    return hidden.rename(base / str(version))
