"""Parameter values: what each type of a pipeline's parameters takes, and how one becomes the other.

coerce(3.0, "NUMBER_INTEGER")     # 3: a compiled package writes every number as a float
coerce("3", "NUMBER_INTEGER")     # 3: what the command line and untyped loops hand over
coerce({"a": 1}, "STRING")        # '{"a": 1}'
"""

import json
import math
from collections.abc import Callable
from typing import Any

from binocular.errors import RequestError

Value = Any  # whatever JSON can hold
Json = dict[str, Value]
SHOWN_CHARACTERS = 80


def normal(value: Value) -> Value:
    """The value as JSON without a schema means it: 3.0 is 3, at any depth, as on the way through a cluster."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [normal(each) for each in value]
    if isinstance(value, dict):
        return {key: normal(each) for key, each in value.items()}
    return value


def as_text(value: Value) -> str:
    """How a value stands inside a text: a string as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(normal(value), ensure_ascii=False)


def coerce(value: Value, kind: str, name: str = "value") -> Value:
    """The value as its declared type; RequestError names what came where it cannot be that."""
    try:
        taken = _TAKERS[kind](value) if kind in _TAKERS else normal(value)
    except (ValueError, TypeError, OverflowError):
        raise RequestError(f"{name}: {_shown(value)} is not a {_WORDS[kind]}") from None
    if not finite(taken):
        raise RequestError(f"{name}: NaN and infinity are no parameter values; got {_shown(value)}")
    return taken


def finite(value: Value) -> bool:
    """Whether no number at any depth is NaN or infinite; a cluster's backend breaks on those."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(finite(each) for each in value)
    if isinstance(value, dict):
        return all(finite(each) for each in value.values())
    return True


def _integer(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    if isinstance(value, str):
        value = float(value) if any(c in value for c in ".eE") else int(value)
    if value != int(value):
        raise ValueError
    return int(value)


def _double(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return float(value)


def _boolean(value: Value) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise TypeError
    return value


def _parsed(value: Value, kind: type) -> Value:
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, kind):
        raise TypeError
    return normal(value)


def _shown(value: Value) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


_TAKERS: dict[str, Callable[[Value], Value]] = {
    "NUMBER_INTEGER": _integer,
    "NUMBER_DOUBLE": _double,
    "BOOLEAN": _boolean,
    "STRING": as_text,
    "LIST": lambda value: _parsed(value, list),
    "STRUCT": lambda value: _parsed(value, dict),
}
_WORDS = {
    "NUMBER_INTEGER": "whole number",
    "NUMBER_DOUBLE": "number",
    "BOOLEAN": "truth value",
    "STRING": "text",
    "LIST": "list",
    "STRUCT": "dictionary",
}
