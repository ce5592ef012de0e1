import json
from typing import Any

import numpy as np
import pytest

from binocular.wire.codes import StatusCode
from serving.server import jsoninput, jsonoutput
from serving.server.signature import Tensor
from serving.server.status import ServingError

TYPES = {"float": 1, "double": 2, "int32": 3, "uint8": 4, "string": 7, "int64": 9, "bool": 10, "half": 19}


def wants(**types: str) -> dict[str, Tensor]:
    return {alias: Tensor(alias, f"{alias}:0", TYPES[name], None) for alias, name in types.items()}


def read(document: Any, **types: str) -> tuple[dict[str, Any], bool]:
    return jsoninput.tensors_of(jsoninput.parse(json.dumps(document).encode()), wants(**types))


@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [
        ("float", [[1, 2.5], [float("inf"), -0.0]], np.float32),
        ("double", [0.1, 1e300], np.float64),
        ("int64", [-(2**63), 2**63 - 1], np.int64),
        ("uint8", [[[0, 255]]], np.uint8),
        ("bool", [True, False], np.bool_),
        ("int32", [], np.int32),
        ("float", 3, np.float32),
    ],
)
def test_lists_become_tensors(kind: str, value: Any, dtype: Any) -> None:
    tensors, rows = read({"inputs": value}, x=kind)
    assert not rows
    assert tensors["x"].dtype == dtype
    np.testing.assert_array_equal(tensors["x"], np.array(value, dtype))


def test_strings_are_text_or_base64() -> None:
    tensors, rows = read({"instances": ["ä", {"b64": "AP8="}, {"b64": "_-8"}]}, x="string")
    assert rows
    assert tensors["x"].tolist() == ["ä".encode(), b"\x00\xff", b"\xff\xef"]
    assert read({"inputs": {"b64": "AP8="}}, x="string")[0]["x"].tolist() == b"\x00\xff"


def test_rows_of_several_inputs() -> None:
    tensors, _ = read({"instances": [{"a": [1, 2], "b": "x"}, {"b": "y", "a": [3, 4]}]}, a="float", b="string")
    assert tensors["a"].tolist() == [[1, 2], [3, 4]]
    assert tensors["b"].tolist() == [b"x", b"y"]


@pytest.mark.parametrize(
    ("document", "types", "text"),
    [
        ({"inputs": [1, "a"]}, {"x": "float"}, 'JSON Value: "a" Type: String is not of expected type: float'),
        ({"inputs": [1, True]}, {"x": "float"}, "JSON Value: true Type: True is not of expected type: float"),
        ({"inputs": [None]}, {"x": "float"}, "JSON Value: null Type: Null is not of expected type: float"),
        ({"inputs": [1.5]}, {"x": "int32"}, "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        ({"inputs": [2**31]}, {"x": "int32"}, "JSON Value: 2147483648 Type: Number is not of expected type"),
        ({"inputs": [1]}, {"x": "bool"}, "JSON Value: 1 Type: Number is not of expected type: bool"),
        (
            {"inputs": [1e39]},
            {"x": "float"},
            "Cannot convert JSON value: 1e+39 to float without loss of precision.",
        ),
        ({"inputs": [2**24 + 1]}, {"x": "float"}, "Cannot convert JSON value: 16777217 to float without loss"),
        ({"inputs": [{"b64": "!"}]}, {"x": "string"}, "Unable to base64 decode"),
        ({"inputs": [{"b46": "AA=="}]}, {"x": "string"}, "not formatted correctly for base64 data"),
        ({"inputs": [[1, 2], [3]]}, {"x": "float"}, "unexpected size: 1 at level: 1 expected size: 2"),
        (
            {"inputs": [[1], 2]},
            {"x": "float"},
            "found at incorrect level: 2 in the JSON DOM. Expected at",
        ),
        ({"inputs": [1, [2]]}, {"x": "float"}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"inputs": [1]}, {"x": "float", "y": "float"}, "inputs is a plain value/list, but expecting an object"),
        ({"inputs": {"x": 1}}, {"x": "float", "y": "float"}, "Missing named input: y in 'inputs' object."),
        (
            {"instances": [1]},
            {"x": "float", "y": "float"},
            "instances is a plain list, but expecting list",
        ),
        ({"instances": [{"x": 1}, 2]}, {"x": "float"}, "Expecting object but got list at item 1 of"),
        (
            {"instances": [1, {"x": 1}]},
            {"x": "float"},
            "Expecting value/list but got object at item 1",
        ),
        (
            {"instances": [{"x": 1}, {"x": "a"}]},
            {"x": "float"},
            "Failed to process element: 1 key: x of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\"",
        ),
        ({"instances": [[[1, 2]], [[1], [2]]]}, {"x": "float"}, "Expecting shape [1,2] but got: [2,1]"),
    ],
)
def test_what_is_no_tensor_is_named(document: Any, types: dict[str, str], text: str) -> None:
    with pytest.raises(ServingError) as error:
        read(document, **types)
    assert text in str(error.value)
    assert error.value.canonical is StatusCode.INVALID_ARGUMENT


def test_a_type_without_json_is_not_offered() -> None:
    with pytest.raises(ServingError, match="Conversion of JSON Value: 1 to type: half") as error:
        read({"inputs": 1}, x="half")
    assert error.value.canonical is StatusCode.UNIMPLEMENTED


def test_a_long_value_is_cut_where_it_is_echoed() -> None:
    with pytest.raises(ServingError) as error:
        read({"inputs": ["x" * 10_000]}, x="float")
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"nul", b"\xff", b'{"a": ' + b"1" * 5000 + b"}", b"[" * 9999])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ServingError) as error:
        jsoninput.parse(body)
    assert error.value.http == 400


def test_numbers_are_the_shortest_that_read_the_same() -> None:
    values = np.array([0.1, 1, 1e-8, 9e6, 1 / 3, np.nan, np.inf, -np.inf], np.float32)
    text = jsonoutput.answer({"y": values}, rows=False).decode()
    assert text.startswith('{"outputs": [0.1, 1.0, 1e-08, 9e+06, 0.33333334, NaN, Infinity, -Infinity]')
    np.testing.assert_array_equal(np.array(json.loads(text)["outputs"], np.float32), values)


def test_answers_have_rows_or_columns() -> None:
    outputs = {
        "n": np.array([1, 2**62]),
        "s": np.array([b"a", "ü".encode()], object),
        "s_bytes": np.array([b"a", b""]),
    }
    rows = [{"n": 1, "s": "a", "s_bytes": {"b64": "YQ=="}}, {"n": 2**62, "s": "ü", "s_bytes": {"b64": ""}}]
    assert json.loads(jsonoutput.answer(outputs, rows=True)) == {"predictions": rows}
    columns = json.loads(jsonoutput.answer({"n": outputs["n"], "t": np.array([[True]])}, rows=False))
    assert columns == {"outputs": {"n": [1, 2**62], "t": [[True]]}}
    assert json.loads(jsonoutput.answer({"y": np.float32(2) * np.ones((), np.float32)}, rows=False)) == {
        "outputs": 2
    }
    with pytest.raises(ServingError, match="no common number of rows"):
        jsonoutput.answer({"a": np.zeros(2), "b": np.zeros(3)}, rows=True)
