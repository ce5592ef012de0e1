"""The LiteRT engine: `model.tflite` on interpreters of one thread each, as many as there are cores.

Rows are independent, so a request of many rows is run row by row on whatever interpreters are free. Measured
on two cores with MobileNetV2, that is faster than resizing an interpreter to the batch (9 ms to resize to 8
rows, and larger batches run slower a row), and it bounds memory, whatever comes. `benchmarks/serving.py`
measures it again. A model whose first dimension is fixed, or whose other dimensions are not, runs whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from binocular.errors import BinocularError
from binocular.wire.codes import StatusCode
from binocular.wire.tensors import Array
from serving.server.deadline import Deadline
from serving.server.engines.lanes import Lanes
from serving.server.engines.rows import Rows
from serving.server.signature import Signature, Signatures
from serving.server.status import ServingError


class NotTheSameError(BinocularError):
    """The LiteRT model answers other questions than the SavedModel beside it. Exporting both again helps."""

    code = "litert_differs"


@dataclass(frozen=True)
class _Place:
    """Where an input or output is in the interpreter."""

    index: int
    shape: tuple[int, ...]  # -1 where any size goes
    dtype: Any


class LiteRT:
    """A `model.tflite` that answers the one serving signature of its SavedModel."""

    name = "litert"

    def __init__(self, path: Path, signatures: Signatures, interpreters: int) -> None:
        content = path.read_bytes()  # not the path: a file that shrinks under a mapping would end the process
        first = Interpreter(model_content=content, num_threads=1)
        self.signatures = signatures
        self._signature = _only(signatures)
        self._inputs, self._outputs = _tensors(first, _only_key(first, self._signature))
        _compare(self._signature, self._inputs, self._outputs)
        places = [*self._inputs.values(), *self._outputs.values()]
        self._by_row = all(_is_rows(place.shape) for place in places)
        every = [first] + [Interpreter(model_content=content, num_threads=1) for _ in range(interpreters - 1)]
        prepared = [_Prepared(each, self._inputs, self._outputs) for each in every]
        if self._by_row:  # so that the first request finds everything ready, and a broken model is found now
            for each in prepared:
                each.prepare({name: (1, *place.shape[1:]) for name, place in self._inputs.items()})
        self._lanes = Lanes(prepared)
        self._rows = Rows(self._lanes, interpreters)

    def run(
        self, signature: Signature, inputs: Mapping[str, Array], outputs: Sequence[str], deadline: Deadline
    ) -> dict[str, Array]:
        """These outputs for these inputs."""
        del signature  # there is one
        counts = {len(array) for array in inputs.values() if array.ndim}
        if not self._by_row or len(counts) != 1:
            with self._lanes.lease(deadline) as interpreter:
                return interpreter.run(inputs, outputs)
        count = counts.pop()
        if count == 1:
            with self._lanes.lease(deadline) as interpreter:
                return interpreter.run(inputs, outputs)
        return self._run_rows(inputs, outputs, count, deadline)

    def _run_rows(
        self, inputs: Mapping[str, Array], outputs: Sequence[str], count: int, deadline: Deadline
    ) -> dict[str, Array]:
        """Row by row, on as many interpreters as are free."""
        answers = {
            name: np.empty((count, *self._outputs[name].shape[1:]), self._outputs[name].dtype) for name in outputs
        }

        def one(interpreter: _Prepared, row: int) -> None:
            found = interpreter.run({name: array[row : row + 1] for name, array in inputs.items()}, outputs)
            for name in outputs:
                answers[name][row] = found[name][0]

        self._rows.each(count, one, deadline)
        return answers

    def close(self) -> None:
        """Let go of the interpreters."""
        self._rows.close()
        self._lanes = Lanes[_Prepared]([])
        self._rows = Rows(self._lanes, 1)


class _Prepared:
    """An interpreter, and the shapes it is prepared for."""

    def __init__(
        self, interpreter: Interpreter, inputs: Mapping[str, _Place], outputs: Mapping[str, _Place]
    ) -> None:
        self._interpreter = interpreter
        self._inputs, self._outputs = inputs, outputs
        self._shapes: dict[str, tuple[int, ...]] = {}

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """These outputs for these inputs."""
        try:
            self.prepare({name: array.shape for name, array in inputs.items()})
            for name, array in inputs.items():
                self._interpreter.set_tensor(self._inputs[name].index, array)
            self._interpreter.invoke()
            return {name: self._interpreter.get_tensor(self._outputs[name].index) for name in outputs}
        except (RuntimeError, ValueError) as error:
            self._shapes = {}
            raise ServingError(StatusCode.INVALID_ARGUMENT, f"LiteRT: {error}") from None

    def prepare(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Make room for inputs of these shapes."""
        if shapes == self._shapes:
            return
        self._shapes = {}  # prepared for nothing until it is done
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._inputs[name].index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def _only(signatures: Signatures) -> Signature:
    if len(signatures.serving) != 1:
        raise NotTheSameError(f"the SavedModel has {len(signatures.serving)} signatures; LiteRT serves one")
    return signatures.serving[0]


def _only_key(interpreter: Interpreter, signature: Signature) -> str:
    """The signature of the LiteRT model, which must be the SavedModel's."""
    found = list(interpreter.get_signature_list())
    if found != [signature.key]:
        raise NotTheSameError(f"the LiteRT model has the signatures {found}, the SavedModel {signature.key}")
    return signature.key


def _tensors(interpreter: Interpreter, key: str) -> tuple[dict[str, _Place], dict[str, _Place]]:
    """Where a signature's inputs and outputs are. An interpreter whose runner lives on cannot be resized."""
    runner = interpreter.get_signature_runner(key)
    return _places(runner.get_input_details()), _places(runner.get_output_details())


def _places(details: Mapping[str, Mapping[str, Any]]) -> dict[str, _Place]:
    return {
        alias: _Place(int(it["index"]), tuple(int(size) for size in it["shape_signature"]), it["dtype"])
        for alias, it in details.items()
    }


def _compare(signature: Signature, inputs: Mapping[str, _Place], outputs: Mapping[str, _Place]) -> None:
    """Refuse a LiteRT model whose tensors are not the SavedModel's."""
    for what, ours, theirs in (("inputs", signature.inputs, inputs), ("outputs", signature.outputs, outputs)):
        if set(ours) != set(theirs):
            raise NotTheSameError(f"{what}: SavedModel {sorted(ours)}, LiteRT {sorted(theirs)}")
        for alias, tensor in ours.items():
            place = theirs[alias]
            if tensor.kind.is_string or tensor.kind.dtype != np.dtype(place.dtype):
                raise NotTheSameError(f"{alias} is {tensor.kind.name} in the SavedModel, {place.dtype} in LiteRT")
            # An output's shape is often unknown to one of the two.
            if what == "inputs" and tensor.shape != place.shape:
                raise NotTheSameError(f"{alias} is {tensor.shape} in the SavedModel, {place.shape} in LiteRT")


def _is_rows(shape: tuple[int, ...]) -> bool:
    return len(shape) > 0 and shape[0] == -1 and all(size >= 0 for size in shape[1:])
