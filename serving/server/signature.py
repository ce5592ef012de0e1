"""What a SavedModel can be asked: the signatures in its `saved_model.pb`, read without tensorflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from binocular.errors import TensorError
from binocular.wire import tensors
from binocular.wire.codes import StatusCode
from binocular.wire.messages import SavedModel, SignatureDef
from binocular.wire.tensors import Array, Kind
from serving.server.status import ServingError

SAVED_MODEL = "saved_model.pb"
DEFAULT = "serving_default"
# Made by tensorflow for itself: it takes and gives nothing.
INITIALIZER = "__saved_model_init_op"


@dataclass(frozen=True)
class Tensor:
    """One input or output: its name in the graph, its type number, and its shape with -1 where any size goes."""

    alias: str
    name: str
    dtype: int
    shape: tuple[int, ...] | None  # None: any rank

    @property
    def kind(self) -> Kind:
        """The type; TensorError where we do not speak it."""
        return tensors.kind(self.dtype)

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of this shape goes here."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            want in (-1, got) for want, got in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    """A named way to ask a model."""

    key: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    defaults: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Signatures:
    """All that a model can be asked, as values and as the message that metadata requests get."""

    by_key: Mapping[str, Signature]
    definitions: Mapping[str, Any]

    @property
    def serving(self) -> list[Signature]:
        """Those that give something back."""
        return [signature for signature in self.by_key.values() if signature.key != INITIALIZER]


def read(folder: Path, tags: frozenset[str]) -> Signatures:
    """The signatures of the graph with exactly these tags."""
    try:
        model = SavedModel.FromString((folder / SAVED_MODEL).read_bytes())
    except FileNotFoundError:
        raise ServingError(
            StatusCode.NOT_FOUND, f"Could not find SavedModel .pb at supplied export directory path: {folder}"
        ) from None
    except DecodeError:
        raise ServingError(StatusCode.INTERNAL, f"Could not parse {folder / SAVED_MODEL}") from None
    for graph in model.meta_graphs:
        if set(graph.meta_info_def.tags) == tags:
            # Copies: a part of a message would keep the whole of it, weights and all, in memory.
            definitions = {
                key: SignatureDef.FromString(it.SerializeToString()) for key, it in graph.signature_def.items()
            }
            return Signatures({key: _signature(key, it) for key, it in definitions.items()}, definitions)
    raise ServingError(
        StatusCode.NOT_FOUND,
        f"Could not find meta graph def matching supplied tags: {{ {' '.join(sorted(tags))} }} in {folder}",
    )


def _signature(key: str, definition: Any) -> Signature:  # noqa: ANN401 - a message
    try:
        defaults = {alias: tensors.to_array(proto) for alias, proto in definition.defaults.items()}
    except TensorError as error:
        raise ServingError(StatusCode.INTERNAL, f"signature {key}: a default: {error}") from None
    return Signature(
        key,
        {alias: _tensor(alias, info) for alias, info in definition.inputs.items()},
        {alias: _tensor(alias, info) for alias, info in definition.outputs.items()},
        defaults,
    )


def _tensor(alias: str, info: Any) -> Tensor:  # noqa: ANN401 - a message
    unknown = info.tensor_shape.unknown_rank
    return Tensor(
        alias, info.name, info.dtype, None if unknown else tuple(dim.size for dim in info.tensor_shape.dim)
    )
