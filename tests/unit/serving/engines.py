"""Engines of a few lines of numpy, for what goes on around engines."""

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from binocular.wire.tensors import Array
from serving.server.deadline import Deadline
from serving.server.signature import Signature, Signatures, Tensor

FLOAT = 1
DOUBLES = Signature(
    "serving_default", {"x": Tensor("x", "x:0", FLOAT, (-1, -1))}, {"y": Tensor("y", "y:0", FLOAT, (-1, -1))}
)


class Doubling:
    """Answers twice what it is asked, and remembers the sizes it was asked for."""

    name = "numpy"

    def __init__(self, signature: Signature = DOUBLES) -> None:
        self.signatures = Signatures({signature.key: signature}, {})
        self.sizes: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.closed = False

    def run(
        self, signature: Signature, inputs: Mapping[str, Array], outputs: Sequence[str], deadline: Deadline
    ) -> dict[str, Array]:
        """Twice the input; waits while it is not `open`."""
        del signature, deadline
        assert not self.closed
        self.open.wait(30)
        self.sizes.append(len(inputs["x"]))
        return {name: inputs["x"] * np.float32(2) for name in outputs}

    def close(self) -> None:
        """Run no more."""
        self.closed = True
