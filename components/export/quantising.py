"""An int8 form of the LiteRT graph, made after the training: a third of the bytes, and half the
processor time where the processor has VNNI.

    content = quantised(model, facts, lambda: images)      # what goes into model.tflite

Images go in and answers come out as from the float graph. Convolutions compute in int8, with weights by channel;
from the pooled features on it stays in float, so that probabilities sum to one and are as fine as they were.
"""

import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from binocular.bundle import INPUT, SIGNATURE
from binocular.candidate import POOLED, Answers
from binocular.logs import hushed
from binocular.parallel import in_batches
from components.export.folding import folded
from components.export.graphs import write_saved_model
from components.export.looking import Pixels
from components.export.rounding import correct_biases

BATCH = 16


def quantised(model: Any, answers: Answers, images: Callable[[], Iterable[Pixels]]) -> bytes:  # noqa: ANN401 - Keras has no types
    """The int8 graph of a Keras model; `images` gives, each time, the same few hundred that it learnt from.

    They say how large each channel's numbers get. Raises whatever the converter cannot do with a network.
    """
    network = folded(model)
    correct_biases(network, (np.stack(batch) for batch in in_batches(BATCH, images())))

    def shown() -> Iterator[tuple[str, dict[str, Pixels]]]:
        for image in images():
            yield SIGNATURE, {INPUT: image[None]}

    with tempfile.TemporaryDirectory() as scratch, hushed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter about the interpreter that comes with it
        converter = write_saved_model(network, answers, Path(scratch))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = shown
        # It is made to find the nodes that lose most; here it is for that it alone can leave some in float.
        debugger = tf.lite.experimental.QuantizationDebugger(converter=converter, debug_dataset=shown)
        kept = _head(network, debugger.calibrated_model)
        debugger.options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=kept)
        content: bytes = debugger.get_nondebug_quantized_model()
    return content


def _head(network: Any, graph: bytes) -> list[str]:  # noqa: ANN401
    """The nodes of a converted network from the pooled features on, by the names of its layers."""
    names = [layer.name for layer in network.layers]
    after = names[names.index(POOLED) :] if POOLED in names else []
    # A layer's nodes are called after it: functional_1/pool_1/Mean.
    of_head = re.compile(r"(?:^|[/;])(?:" + "|".join(map(re.escape, after)) + r")(?:_\d+)?/") if after else None
    interpreter = Interpreter(model_content=graph)
    nodes = [str(each["name"]) for each in interpreter.get_tensor_details()]
    answers = [str(each["name"]) for each in interpreter.get_output_details()]
    return answers + [node for node in nodes if of_head and of_head.search(node)]
