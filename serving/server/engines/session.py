"""The TensorFlow session engine: any SavedModel, run as TensorFlow Serving runs it. Imports tensorflow."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# With oneDNN, TensorFlow 2.21 ends the whole process where a convolution gets an input of the wrong rank; without,
# that is an error like any other. Who knows all their models to be safe may set it to 1.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from binocular.wire.codes import StatusCode
from binocular.wire.tensors import Array
from serving.server.deadline import Deadline
from serving.server.engines import EngineOptions
from serving.server.signature import Signature, Signatures
from serving.server.status import ServingError

MOST_CALLABLES = 64


class Session:
    """A SavedModel in a session of its own."""

    name = "tensorflow"

    def __init__(self, folder: Path, signatures: Signatures, options: EngineOptions) -> None:
        self.signatures = signatures
        self._session = tf.compat.v1.Session(
            graph=tf.Graph(),
            config=tf.compat.v1.ConfigProto(
                intra_op_parallelism_threads=options.intra_op_threads,
                inter_op_parallelism_threads=options.inter_op_threads,
            ),
        )
        try:
            with self._session.graph.as_default():
                tf.compat.v1.saved_model.load(self._session, sorted(options.tags), str(folder))
        except BaseException:
            self._session.close()
            raise
        self._callables: dict[tuple[tuple[str, ...], tuple[str, ...]], Any] = {}
        self._lock = threading.Lock()

    def run(
        self, signature: Signature, inputs: Mapping[str, Array], outputs: Sequence[str], deadline: Deadline
    ) -> dict[str, Array]:
        """These outputs for these inputs; the caller's deadline is the run's."""
        deadline.check()
        aliases = sorted(inputs)
        feeds = tuple(signature.inputs[alias].name for alias in aliases)
        fetches = tuple(signature.outputs[alias].name for alias in outputs)
        remaining = deadline.remaining()
        patience = tf.compat.v1.RunOptions(
            timeout_in_ms=0 if remaining is None else max(1, round(remaining * 1000))
        )
        try:
            answers = self._callable(feeds, fetches)(*[inputs[alias] for alias in aliases], options=patience)
        except tf.errors.OpError as error:
            raise ServingError(StatusCode.of(error.error_code), _text(error.message)) from None
        return {alias: _array(answer) for alias, answer in zip(outputs, answers, strict=True)}

    def _callable(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Any:  # noqa: ANN401 - tensorflow's
        with self._lock:
            if (feeds, fetches) not in self._callables:
                if len(self._callables) >= MOST_CALLABLES:  # callers choose outputs; their whims must not pile up
                    self._callables.clear()
                made = self._session.make_callable(list(fetches), list(feeds), accept_options=True)
                self._callables[feeds, fetches] = made
            return self._callables[feeds, fetches]

    def close(self) -> None:
        """Close the session."""
        self._session.close()


def _text(message: str) -> str:
    """An error as the runtime says it, without what the Python library puts around it."""
    return message.removeprefix("Graph execution error:\n\n").partition("\n\nOriginal stack trace")[0]


def _array(answer: Any) -> Array:  # noqa: ANN401 - an array, or a scalar of numpy's or Python's
    return np.array(answer, object) if isinstance(answer, bytes) else np.asarray(answer)
