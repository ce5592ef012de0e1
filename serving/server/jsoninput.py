"""JSON to tensors: the row format ("instances") and the columnar one ("inputs") of the REST API.

Values are checked with loops in C, a level at a time; only where something is wrong does a slow walk find the
first culprit and name it in the original's words.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from binocular.wire.codes import StatusCode
from binocular.wire.tensors import MAX_RANK, Array, Kind
from serving.server.signature import Tensor
from serving.server.status import ServingError, invalid

INSTANCES, INPUTS, SIGNATURE = "instances", "inputs", "signature_name"
_B64 = "b64"
# An echoed value is cut here.
LONGEST_ECHO = 256

_NUMBERS = {int, float}
_TAKES: dict[str, set[type]] = {
    "float": _NUMBERS,
    "double": _NUMBERS,
    "bool": {bool},
    "string": {str, dict},
    **{name: {int} for name in ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")},
}


def parse(body: bytes) -> dict[str, Any]:
    """The object in a request's body; INVALID_ARGUMENT where there is none."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except RecursionError:
        raise invalid("JSON Parse error: nested too deeply at offset: 0") from None
    except ValueError as error:  # bytes that are no text, a number of thousands of digits
        raise invalid(f"JSON Parse error: {error} at offset: 0") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_echo(document)} Is not object")
    signature = document.get(SIGNATURE, "")
    if not isinstance(signature, str):
        raise invalid(
            f"JSON Value: {_echo(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return document


def tensors_of(document: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> tuple[dict[str, Array], bool]:
    """The tensors for a signature's inputs, and whether they came in rows."""
    if INSTANCES in document and INPUTS in document:
        raise invalid(
            f"JSON Value: {_echo(document)} Not formatted correctly expecting only one of '{INPUTS}' or "
            f"'{INSTANCES}' keys to exist "
        )
    if INSTANCES in document:
        instances = document[INSTANCES]
        if not isinstance(instances, list):
            raise invalid(f"JSON Value: {_echo(document)} Excepting '{INSTANCES}' to be an list/array")
        if not instances:
            raise invalid(f"JSON Value: {_echo(document)} No values in '{INSTANCES}' array")
        return _rows(instances, wanted), True
    if INPUTS in document:
        return _columns(document[INPUTS], wanted), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _columns(value: Any, wanted: Mapping[str, Tensor]) -> dict[str, Array]:  # noqa: ANN401 - JSON
    if not isinstance(value, dict) or _is_bytes(value):
        if len(wanted) != 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        alias, tensor = next(iter(wanted.items()))
        return {alias: _array(value, tensor.kind)}
    for alias in wanted:
        if alias not in value:
            raise invalid(f"Missing named input: {alias} in 'inputs' object.")
    return {alias: _array(value[alias], tensor.kind) for alias, tensor in wanted.items()}


def _rows(instances: list[Any], wanted: Mapping[str, Tensor]) -> dict[str, Array]:
    named = isinstance(instances[0], dict) and not _is_bytes(instances[0])
    if not named and len(wanted) != 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    for number, element in enumerate(instances):
        _check_row(number, element, wanted, named=named)
    if not named:
        alias, tensor = next(iter(wanted.items()))
        return {alias: _stack(instances, tensor.kind, "")}
    return {
        alias: _stack([element[alias] for element in instances], tensor.kind, f" key: {alias}")
        for alias, tensor in wanted.items()
    }


def _check_row(number: int, element: Any, wanted: Mapping[str, Tensor], *, named: bool) -> None:  # noqa: ANN401 - JSON
    is_object = isinstance(element, dict) and not _is_bytes(element)
    if named and not is_object:
        raise invalid(f"Expecting object but got list at item {number} of input list")
    if is_object and not named:
        raise invalid(f"Expecting value/list but got object at item {number} of input list")
    if named and set(element) != set(wanted):
        raise invalid(
            f"Failed to process element: {number} of '{INSTANCES}' list. JSON object: {_echo(element)} "
            f"keys must be equal to: {','.join(sorted(wanted))}"
        )


def _stack(elements: list[Any], kind: Kind, key: str) -> Array:
    """One tensor of elements that must all have the same shape."""
    try:
        return _array(elements, kind)
    except ServingError:
        shape: tuple[int, ...] | None = None
        for number, element in enumerate(elements):
            try:
                array = _array(element, kind)
                if shape is not None and array.shape != shape:
                    raise invalid(_unequal(shape, array.shape))
            except ServingError as error:
                raise invalid(
                    f"Failed to process element: {number}{key} of '{INSTANCES}' list. "
                    f"Error: {error.canonical.name}: {error}"
                ) from None
            shape = array.shape
        raise


def _unequal(wanted: tuple[int, ...], came: tuple[int, ...]) -> str:
    if np.prod(wanted) != np.prod(came):
        return f"Expecting tensor size: {np.prod(wanted)} but got: {np.prod(came)}"
    return f"Expecting shape {_shape(wanted)} but got: {_shape(came)}"


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _array(value: Any, kind: Kind) -> Array:  # noqa: ANN401 - JSON
    """The tensor that nested lists are."""
    if kind.name not in _TAKES:
        raise ServingError(
            StatusCode.UNIMPLEMENTED, f"Conversion of JSON Value: {_echo(value)} to type: {kind.name}"
        )
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > MAX_RANK:
        raise invalid(f"JSON Value: lists nested {len(shape)} deep; a tensor has at most {MAX_RANK} dimensions")
    leaves = [value]
    for size in shape:
        if set(map(type, leaves)) - {list} or set(map(len, leaves)) - {size}:
            _name_culprit(value, shape, 0, kind)
        leaves = list(chain.from_iterable(leaves))
    if set(map(type, leaves)) - _TAKES[kind.name]:
        _name_culprit(value, shape, 0, kind)
    return _convert(value, leaves, shape, kind).reshape(shape)


def _convert(value: Any, leaves: list[Any], shape: list[int], kind: Kind) -> Array:  # noqa: ANN401 - JSON
    if kind.is_string:
        strings = np.empty(len(leaves), object)
        strings[:] = [_bytes(leaf) for leaf in leaves]
        return strings
    try:
        array = np.array(leaves, kind.dtype if kind.dtype.kind != "f" else np.float64)
    except (OverflowError, ValueError):
        _name_culprit(value, shape, 0, kind)
        raise
    if kind.dtype.kind == "f" and array.size:
        finite = array[np.isfinite(array)]
        largest = float(np.abs(finite).max(initial=0.0))
        # Only whole numbers beyond the mantissa, and whatever is beyond the range, lose something.
        if largest > 2.0 ** (np.finfo(kind.dtype).nmant + 1) - 1:
            for leaf in leaves:
                _check_lossless(leaf, kind)
    return array.astype(kind.dtype, copy=False)


def _name_culprit(value: Any, shape: list[int], level: int, kind: Kind) -> None:  # noqa: ANN401 - JSON
    """Raise for the first value, in reading order, that does not belong."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {_echo(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        _check_leaf(value, kind)
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for each in value:
        _name_culprit(each, shape, level + 1, kind)


def _check_leaf(value: Any, kind: Kind) -> None:  # noqa: ANN401 - JSON
    if type(value) in _TAKES[kind.name]:
        if kind.is_string:
            _bytes(value)
            return
        if kind.dtype.kind not in "iu" or np.iinfo(kind.dtype).min <= value <= np.iinfo(kind.dtype).max:
            if kind.dtype.kind == "f":
                _check_lossless(value, kind)
            return
    raise invalid(f"JSON Value: {_echo(value)} Type: {_type(value)} is not of expected type: {kind.name}")


def _check_lossless(value: float, kind: Kind) -> None:
    limits = np.finfo(kind.dtype)
    too_long = isinstance(value, int) and abs(value) > 2 ** (limits.nmant + 1) - 1
    too_large = isinstance(value, float) and np.isfinite(value) and abs(value) > float(limits.max)
    if too_long or too_large:
        raise invalid(f"Cannot convert JSON value: {_echo(value)} to {kind.name} without loss of precision.")


def _is_bytes(value: dict[str, Any]) -> bool:
    return len(value) == 1 and isinstance(value.get(_B64), str)


def _bytes(value: str | dict[str, Any]) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not _is_bytes(value):
        raise invalid(f"JSON Value: {_echo(value)} not formatted correctly for base64 data")
    text = value[_B64].replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _type(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        return str(value)
    names = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return names[type(value)]


def _echo(value: Any) -> str:  # noqa: ANN401 - JSON
    """A value as JSON, cut."""
    text = ""
    for chunk in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += chunk
        if len(text) > LONGEST_ECHO:
            return text[:LONGEST_ECHO] + "..."
    return text
