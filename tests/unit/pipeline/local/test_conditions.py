"""Conditions: what the compiler writes means what it says, and nothing else is taken."""

import time
from typing import Any

import pytest

from binocular.errors import PackageError, RequestError
from pipeline.local.conditions import DEEPEST, parse

P = "inputs.parameter_values['x']"


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        (f"{P} == 'heads'", "heads", True),
        (f"{P} == 'heads'", "tails", False),
        (f"{P} != 'heads'", "tails", True),
        (f"!({P} == 'a') && {P} != 'b'", "c", True),
        (f"!({P} == 'a') && !({P} != 'b')", "b", True),
        (f"{P} == 'a' || {P} == 'b'", "b", True),
        (f"int({P}) > 3", 4, True),
        (f"int({P}) > 3", 3.0, False),
        (f"int({P}) >= -3", -3, True),
        (f"{P} <= 0.5", 0.5, True),
        (f"{P} < 1e-3", 0.0001, True),
        (f"{P} == true", True, True),
        (f"{P} == false", True, False),
        (f"{P} == 1", True, False),  # a truth value is no number
        (f"{P} == 1", 1.0, True),
        (f"{P} == '1'", 1, False),  # two kinds are never equal
        (f"{P} != '1'", 1, True),
        (f"{P} == ''", "", True),
        (rf"{P} == 'it\'s \\ \n'", "it's \\ \n", True),
        (f'{P} == "double"', "double", True),
        (f"{P} < 'b'", "a", True),
        (f"string({P}) == '3'", 3.0, True),
        (f"double({P}) == 0.5", "0.5", True),
        (f"bool({P})", "true", True),
        ("inputs.parameter_values['pipelinechannel--a-Output'] == 'y'", None, False),
        ("true", None, True),
    ],
)
def test_what_the_compiler_writes(text: str, x: Any, expected: bool) -> None:  # noqa: FBT001
    condition = parse(text)

    assert condition.holds({"x": x, "pipelinechannel--a-Output": "n"}) is expected


def test_the_parameters_it_looks_at_are_known() -> None:
    assert parse(f"{P} == 'a' && inputs.parameter_values[\"y\"] == 1").names == {"x", "y"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x == 1",
        f"{P} == {'9' * 5000}",
        "inputs.parameter_values[x] == 1",
        "inputs.parameter_values['x'",
        f"{P} ==",
        f"{P} == 'a",
        f"{P} = 'a'",
        f"{P} == 'a' 'b'",
        f"{P} == 'a' and true",
        f"{P} == 'a' && ",
        f"({P} == 'a'",
        f"{P} == 'a')",
        f"{P} == 1 == 1",
        f"{P} == [1]",
        f"{P} == {{}}",
        f"{P}.size() > 1",
        f"{P} in ['a']",
        f"{P} == 1 ? true : false",
        "__import__('os').system('true')",
        "int.__class__",
        f"int({P}",
        f"exec({P})",
        f"{P} == '\\q'",
        f"{P} + 1 == 2",
        "\x00",
        "inputs.artifacts['x'] == 'a'",
        "size('a') == 1",
        "1 2",
    ],
)
def test_anything_else_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(PackageError, match="condition"):
        parse(text)


def test_an_apostrophe_that_the_compiler_did_not_escape_is_explained() -> None:
    with pytest.raises(PackageError, match="does not escape an apostrophe"):
        parse(f"{P} == 'it's'")


def test_hostile_lengths_and_depths_end_at_once() -> None:
    started = time.monotonic()
    for text in (
        "(" * 100_000,
        "!" * 9_000,
        "(" * 5_000 + "true" + ")" * 5_000,
        "int(" * 2_000,
        "'" + "\\'" * 4_000,
    ):
        with pytest.raises(PackageError):
            parse(text)
    deep = "(" * DEEPEST + "true" + ")" * DEEPEST
    assert parse(deep).holds({})
    assert parse(" && ".join(["true"] * 1_000)).holds({})
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "x"),
    [(f"{P} > 1", "a"), (f"{P} > 'a'", 1), (f"{P} > true", True), (f"{P}", "a"), (f"{P} && true", 1),
     (f"int({P}) == 1", "one"), (f"int({P}) == 1", [1]), (f"{P} < {P}", [1])],
)  # fmt: skip
def test_what_has_no_truth_value_is_an_error_and_no_guess(text: str, x: Any) -> None:
    with pytest.raises(RequestError):
        parse(text).holds({"x": x})


def test_a_value_that_is_missing_is_named() -> None:
    with pytest.raises(RequestError, match="no value for x"):
        parse(f"{P} == 1").holds({})
