"""A LiteRT interpreter with nothing around it: what everything that serves is compared with."""

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray


class Bare:
    """One interpreter of one thread, as the server holds them, for images of one shape."""

    def __init__(self, model: Path, shape: tuple[int, ...]) -> None:
        self._interpreter: Any = Interpreter(model_path=str(model), num_threads=1)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._interpreter.resize_tensor_input(self._input, shape)
        self._interpreter.allocate_tensors()

    def __call__(self, images: NDArray[np.uint8]) -> None:
        """Answer these images once."""
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        self._interpreter.get_tensor(self._output)
