"""TensorProto to numpy and back, as tensorflow does it, without tensorflow.

    array = to_array(proto, limit=1 << 20)   # TensorError where the message contradicts itself
    proto = to_proto(array)                  # packed; `typed=True` uses the typed fields

Strings are object arrays of bytes. `limit` is in bytes and guards against a small message that claims a huge
tensor: where a message holds fewer values than its shape has elements, the last one is repeated.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binocular.errors import TensorError
from binocular.wire.messages import POOL, TensorProto

Array = NDArray[Any]

# numpy itself has no arrays of more dimensions.
MAX_RANK = 32


@dataclass(frozen=True)
class Kind:
    """A type of tensors: TensorFlow's number and name for it, numpy's type, and the field of its values."""

    number: int
    name: str
    dtype: np.dtype[Any]
    field: str

    @property
    def is_string(self) -> bool:
        """Whether the elements are byte strings."""
        return self.field == "string_val"


# By TensorFlow's name without DT_: the typed field, and numpy's name where it is another one.
_FIELDS = {
    "FLOAT": ("float_val", "float32"),
    "DOUBLE": ("double_val", "float64"),
    "INT32": ("int_val", "int32"),
    "UINT8": ("int_val", "uint8"),
    "INT16": ("int_val", "int16"),
    "INT8": ("int_val", "int8"),
    "UINT16": ("int_val", "uint16"),
    "STRING": ("string_val", "object"),
    "COMPLEX64": ("scomplex_val", "complex64"),
    "COMPLEX128": ("dcomplex_val", "complex128"),
    "INT64": ("int64_val", "int64"),
    "BOOL": ("bool_val", "bool"),
    "HALF": ("half_val", "float16"),
    "BFLOAT16": ("half_val", "bfloat16"),
    "UINT32": ("uint32_val", "uint32"),
    "UINT64": ("uint64_val", "uint64"),
}
# Their values are bit patterns in 32-bit fields, or pairs of reals.
_BITS = "half_val"
_PAIRS = ("scomplex_val", "dcomplex_val")


def _numpy(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        try:
            import ml_dtypes  # noqa: PLC0415 - only who meets one pays for it, or needs it
        except ImportError:
            raise TensorError("tensors of type bfloat16 need the package ml-dtypes") from None
        name = ml_dtypes.bfloat16
    found: np.dtype[Any] = np.dtype(name)
    return found


@cache
def kind(number: int) -> Kind:
    """The kind of tensors with this number; TensorError where we do not speak it."""
    described = POOL.FindEnumTypeByName("tensorflow.DataType").values_by_number.get(number)
    name = described.name.removeprefix("DT_") if described else str(number)
    if name not in _FIELDS:
        raise TensorError(f"tensors of type {name.lower()} are not supported")
    field, numpy_name = _FIELDS[name]
    return Kind(number, name.lower(), _numpy(numpy_name), field)


@cache
def kind_of(dtype: np.dtype[Any]) -> Kind:
    """The kind of tensors that a numpy array of this type is."""
    if dtype.kind in "SUO":
        return kind(_number("STRING"))
    for name, (_, numpy_name) in _FIELDS.items():
        if numpy_name == dtype.name:
            return kind(_number(name))
    raise TensorError(f"arrays of type {dtype} have no tensor")


def _number(name: str) -> int:
    return int(POOL.FindEnumTypeByName("tensorflow.DataType").values_by_name[f"DT_{name}"].number)


def shape_of(proto: Any) -> tuple[int, ...]:  # noqa: ANN401 - a message
    """The shape a tensor message claims; TensorError where no array can have it."""
    if proto.tensor_shape.unknown_rank:
        raise TensorError("the rank is unknown")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if len(shape) > MAX_RANK:
        raise TensorError(f"{len(shape)} dimensions; at most {MAX_RANK}")
    if min(shape, default=0) < 0:
        raise TensorError(f"a negative dimension in {list(shape)}")
    return shape


def to_array(proto: Any, limit: int = 1 << 31, shape: tuple[int, ...] | None = None) -> Array:  # noqa: ANN401
    """The array in a tensor message; read-only where it shares the message's bytes. A known `shape` is taken."""
    what = kind(proto.dtype)
    shape = shape_of(proto) if shape is None else shape
    elements = math.prod(shape)
    if elements * what.dtype.itemsize > limit:
        raise TensorError(f"{list(shape)} of {what.name} takes more than {limit} bytes")
    content = proto.tensor_content
    if content and not what.is_string:
        if len(content) != elements * what.dtype.itemsize:
            raise TensorError(f"{list(shape)} of {what.name} does not fit {len(content)} bytes of content")
        return np.frombuffer(content, what.dtype).reshape(shape)
    return _repeated(_typed(proto, what), elements, what).reshape(shape)


def _typed(proto: Any, what: Kind) -> Array:  # noqa: ANN401 - a message
    """The values in a message's typed field."""
    values = getattr(proto, what.field)
    if what.is_string:
        strings = np.empty(len(values), object)
        strings[:] = list(values)
        return strings
    if what.field == _BITS:
        return np.fromiter((value & 0xFFFF for value in values), np.uint16, len(values)).view(what.dtype)
    if what.field in _PAIRS:
        real = np.float32 if what.dtype.itemsize == np.complex64().itemsize else np.float64
        return np.array(values[: len(values) // 2 * 2], real).view(what.dtype)
    # A value that does not fit its narrow type wraps around, as a C++ cast does.
    return (
        np.array(values, np.int32).astype(what.dtype) if what.field == "int_val" else np.array(values, what.dtype)
    )


def _repeated(values: Array, elements: int, what: Kind) -> Array:
    """As many values as the tensor has elements."""
    if len(values) > elements:
        raise TensorError(f"{len(values)} values for {elements} elements")
    if len(values) == elements:
        return values
    if len(values) == 0:
        return np.full(elements, b"", object) if what.is_string else np.zeros(elements, what.dtype)
    return np.concatenate([values, np.repeat(values[-1:], elements - len(values))])


def to_proto(array: Array, *, typed: bool = False) -> Any:  # noqa: ANN401 - a message
    """The tensor message of an array: its bytes packed, or each value in the typed field."""
    what = kind_of(array.dtype)
    proto = TensorProto(dtype=what.number)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if what.is_string:
        proto.string_val.extend(_bytes(value) for value in array.ravel().tolist())
    elif typed:
        getattr(proto, what.field).extend(_plain(np.ascontiguousarray(array).ravel(), what))
    else:
        proto.tensor_content = array.tobytes()
    return proto


def _plain(flat: Array, what: Kind) -> list[Any]:
    """Values as a typed field takes them."""
    if what.field == _BITS:
        flat = flat.view(np.uint16)
    elif what.field in _PAIRS:
        flat = flat.view(np.float32 if flat.itemsize == np.complex64().itemsize else np.float64)
    values: list[Any] = flat.tolist()
    return values


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise TensorError(f"a string tensor holds text or bytes, not {type(value).__name__}")
