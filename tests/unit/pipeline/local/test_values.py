from typing import Any

import pytest

from binocular.errors import RequestError
from pipeline.local.values import coerce, finite


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (3.0, "NUMBER_INTEGER", 3),
        ("3", "NUMBER_INTEGER", 3),
        ("-3", "NUMBER_INTEGER", -3),
        (2**60 + 1, "NUMBER_INTEGER", 2**60 + 1),
        (str(2**60 + 1), "NUMBER_INTEGER", 2**60 + 1),
        (1, "NUMBER_DOUBLE", 1.0),
        ("1e-3", "NUMBER_DOUBLE", 0.001),
        ("True", "BOOLEAN", True),
        (False, "BOOLEAN", False),
        (1.0, "STRING", "1"),
        (True, "STRING", "true"),
        ({"a": [1.0]}, "STRING", '{"a": [1]}'),
        ("[1, 2.5]", "LIST", [1, 2.5]),
        ([1.0, {"a": 2.0}], "LIST", [1, {"a": 2}]),
        ('{"ä": "ö"}', "STRUCT", {"ä": "ö"}),
    ],
)
def test_a_value_becomes_its_declared_type(value: Any, kind: str, expected: Any) -> None:
    taken = coerce(value, kind)

    assert (taken, type(taken)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("three", "NUMBER_INTEGER"),
        (3.5, "NUMBER_INTEGER"),
        (True, "NUMBER_INTEGER"),
        (float("nan"), "NUMBER_INTEGER"),
        (float("inf"), "NUMBER_DOUBLE"),
        ("inf", "NUMBER_DOUBLE"),
        ("nan", "NUMBER_DOUBLE"),
        ("1" * 5000, "NUMBER_INTEGER"),
        ("yes", "BOOLEAN"),
        (1, "BOOLEAN"),
        ("{}", "LIST"),
        ([], "STRUCT"),
        ("[1", "LIST"),
        ([float("nan")], "LIST"),
    ],
)
def test_what_cannot_be_that_type_is_refused(value: Any, kind: str) -> None:
    with pytest.raises(RequestError, match=r"^n: "):
        coerce(value, kind, "n")


def test_infinity_is_found_at_any_depth() -> None:
    assert finite({"a": [1, {"b": 0.5}], "c": "nan"})
    assert not finite({"a": [1, {"b": float("-inf")}]})
