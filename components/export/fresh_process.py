"""Asks both graphs of a bundle about its golden images; prints how far each is off the golden answers.

    python -I fresh_process.py FOLDER      {"SavedModel": 1.2e-07, "LiteRT": 2.4e-07}

It imports nothing of this project: what it can load, anybody can.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def main(folder: str) -> None:
    """Compare and print."""
    golden = np.load(os.path.join(folder, "golden.npz"))  # noqa: PTH118 - as any user's script would
    own = "litert_"  # what begins with it is what an int8 graph is to answer; any other graph answers as Keras did
    of_keras = {name: golden[name] for name in golden.files if name != "images" and not name.startswith(own)}
    of_litert = {name.removeprefix(own): golden[name] for name in golden.files if name.startswith(own)}
    expected = {"SavedModel": of_keras, "LiteRT": of_litert or of_keras}
    images = golden["images"]
    saved = tf.saved_model.load(folder).signatures["serving_default"]
    lite = Interpreter(os.path.join(folder, "model.tflite"))  # noqa: PTH118
    answers = {
        "SavedModel": saved(images=tf.constant(images)),
        "LiteRT": lite.get_signature_runner("serving_default")(images=images),
    }
    off = {
        graph: max(float(np.abs(np.asarray(found[name]) - each).max()) for name, each in expected[graph].items())
        for graph, found in answers.items()
    }
    print(json.dumps(off))


if __name__ == "__main__":
    main(sys.argv[1])
