"""What runs a version: LiteRT where it can, a TensorFlow session for every other SavedModel."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from binocular.wire.codes import StatusCode
from binocular.wire.tensors import Array
from serving.server import signature as signatures
from serving.server.deadline import Deadline
from serving.server.signature import Signature, Signatures
from serving.server.status import ServingError

log = logging.getLogger(__name__)

LITERT_MODEL = "model.tflite"


class Engine(Protocol):
    """A loaded version. `run` may be called from any number of threads at once."""

    name: str

    @property
    def signatures(self) -> Signatures:
        """What it can be asked."""

    def run(
        self, signature: Signature, inputs: Mapping[str, Array], outputs: Sequence[str], deadline: Deadline
    ) -> dict[str, Array]:
        """These outputs for these inputs, whose names, types and shapes were checked."""

    def close(self) -> None:
        """Give back what it holds; nothing runs any more."""


@dataclass(frozen=True)
class EngineOptions:
    """How engines are made."""

    cores: int
    tags: frozenset[str]
    intra_op_threads: int
    inter_op_threads: int


def load(folder: Path, options: EngineOptions) -> Engine:
    """The engine of a version folder. ServingError, or whatever a damaged model makes its library raise."""
    known = signatures.read(folder, options.tags)
    if (folder / LITERT_MODEL).is_file():
        from serving.server.engines.litert import LiteRT, NotTheSameError  # noqa: PLC0415 - each engine is heavy

        try:
            return LiteRT(folder / LITERT_MODEL, known, options.cores)
        except NotTheSameError as error:
            log.warning("LiteRT cannot stand in for the SavedModel", extra={"folder": folder, "why": error})
    try:
        from serving.server.engines.session import Session  # noqa: PLC0415
    except ImportError:
        raise ServingError(
            StatusCode.FAILED_PRECONDITION,
            f"{folder} has no {LITERT_MODEL} with the same signature, and running the SavedModel itself needs "
            "tensorflow, which is not installed here",
        ) from None
    return Session(folder, known, options)
