"""Tensors to JSON, in rows ("predictions") or in columns ("outputs")."""

import base64
import json
from collections.abc import Mapping

import numpy as np

from binocular.wire.codes import StatusCode
from binocular.wire.tensors import Array
from serving.server.status import ServingError

# The names of outputs that are bytes and no text.
_BYTES_SUFFIX = "_bytes"


def answer(outputs: Mapping[str, Array], *, rows: bool) -> bytes:
    """The body of an answer."""
    return (_predictions(outputs) if rows else _columns(outputs)).encode("utf-8", "replace")


def _columns(outputs: Mapping[str, Array]) -> str:
    if len(outputs) == 1:
        (name, array), *_ = outputs.items()
        return f'{{"outputs": {_json(array, name)}}}'
    columns = ", ".join(f"{json.dumps(name)}: {_json(array, name)}" for name, array in outputs.items())
    return f'{{"outputs": {{{columns}}}}}'


def _predictions(outputs: Mapping[str, Array]) -> str:
    counts = {array.shape[:1] for array in outputs.values()}
    if len(counts) != 1 or () in counts:
        raise ServingError(
            StatusCode.INVALID_ARGUMENT,
            "the outputs have no common number of rows; ask in columns: send 'inputs' instead of 'instances'",
        )
    count = counts.pop()[0]
    if len(outputs) == 1:
        (name, array), *_ = outputs.items()
        return f'{{"predictions": [{", ".join(_json(row, name) for row in array)}]}}'
    rows = (
        ", ".join(f"{json.dumps(name)}: {_json(array[number], name)}" for name, array in outputs.items())
        for number in range(count)
    )
    return f'{{"predictions": [{", ".join(f"{{{row}}}" for row in rows)}]}}'


def _json(value: object, name: str) -> str:
    """A tensor, or one of its elements."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"[{', '.join(_json(each, name) for each in value)}]"
    if isinstance(value, np.ndarray):
        value = value[()]
    if isinstance(value, bytes):
        if name.endswith(_BYTES_SUFFIX):
            return f'{{"b64": "{base64.b64encode(value).decode()}"}}'
        return json.dumps(value.decode("utf-8", "replace"), ensure_ascii=False)
    if isinstance(value, np.floating):
        return _float(value)
    if isinstance(value, np.bool_):
        return "true" if value else "false"
    if isinstance(value, np.integer):
        return str(int(value))
    raise ServingError(StatusCode.UNIMPLEMENTED, f"{name}: values of type {type(value).__name__} have no JSON")


def _float(value: np.floating) -> str:
    """The shortest text that reads as the same number of this precision."""
    if np.isfinite(value):
        return str(value)
    return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
