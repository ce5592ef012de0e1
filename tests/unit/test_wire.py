"""The messages and tensors of the wire are those of tensorflow and tensorflow-serving-api, byte for byte."""

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import predict_pb2

from binocular.errors import TensorError
from binocular.wire import describe, messages, services, tensors

ARRAYS = {
    "float": np.array([[1.5, -2, np.inf], [np.nan, 0, 3e-9]], np.float32),
    "double": np.array([0.1, 1e300]),
    "half": np.array([0.1, -65504, 6e-8], np.float16),
    "bfloat16": np.array([0.1, -3e38], ml_dtypes.bfloat16),
    "uint8": np.array([[0, 255]], np.uint8),
    "int8": np.array([-128, 127], np.int8),
    "int16": np.array([-32768, 32767], np.int16),
    "uint16": np.array([0, 65535], np.uint16),
    "int32": np.array([-(2**31), 2**31 - 1], np.int32),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "uint32": np.array([0, 2**32 - 1], np.uint32),
    "uint64": np.array([0, 2**64 - 1], np.uint64),
    "bool": np.array([[True], [False]]),
    "complex64": np.array([1 + 2j, -3j], np.complex64),
    "complex128": np.array([1 + 2j, -3j]),
    "string": np.array([[b"a", b""], [b"\x00\xff", "ü".encode()]], object),
    "a scalar": np.array(7, np.int64),
    "nothing": np.zeros((0, 3), np.float32),
}


def ours(proto: Any) -> Any:
    """A message of tensorflow's pool, read by ours."""
    return messages.TensorProto.FromString(proto.SerializeToString())


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_a_tensor_that_tensorflow_made_is_read(array: np.ndarray[Any, Any]) -> None:
    packed = tf.make_tensor_proto(array)
    typed = tensors.to_proto(array, typed=True)  # tensorflow makes typed fields for strings alone
    for proto in (ours(packed), typed):
        read = tensors.to_array(proto)
        assert (read.shape, read.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_tensorflow_reads_the_tensors_we_make(array: np.ndarray[Any, Any], *, typed: bool) -> None:
    made = predict_pb2.PredictRequest().inputs["x"]
    made.ParseFromString(tensors.to_proto(array, typed=typed).SerializeToString())
    read = tf.make_ndarray(made)
    assert (read.shape, read.dtype) == (array.shape, array.dtype)
    np.testing.assert_array_equal(read, array)


def test_missing_values_repeat_the_last_one_and_no_value_means_zeros() -> None:
    proto = messages.TensorProto(dtype=1, float_val=[1, 2])
    proto.tensor_shape.dim.add(size=4)
    assert tensors.to_array(proto).tolist() == [1, 2, 2, 2]
    del proto.float_val[:]
    assert tensors.to_array(proto).tolist() == [0, 0, 0, 0]
    strings = messages.TensorProto(dtype=7)
    strings.tensor_shape.dim.add(size=2)
    assert tensors.to_array(strings).tolist() == [b"", b""]


def claims(*shape: int, dtype: int = 1, **fields: Any) -> Any:
    proto = messages.TensorProto(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize(
    ("proto", "reason"),
    [
        (claims(2, float_val=[1, 2, 3]), "3 values for 2 elements"),
        (claims(2, tensor_content=b"\0" * 7), "does not fit 7 bytes"),
        (claims(-1, 3), "negative dimension"),
        (claims(*[1] * 40), "40 dimensions"),
        (claims(1 << 40), "more than"),
        (claims(1 << 40, 1 << 40, 1 << 40), "more than"),
        (claims(1, dtype=0), "type invalid"),
        (claims(1, dtype=20), "type resource"),
        (claims(1, dtype=999), "type 999"),
        (claims(1, dtype=30), "not supported"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(proto: Any, reason: str) -> None:
    with pytest.raises(TensorError, match=reason):
        tensors.to_array(proto)


def test_a_small_message_cannot_claim_more_memory_than_the_limit() -> None:
    with pytest.raises(TensorError, match="more than 1000 bytes"):
        tensors.to_array(claims(1000, 1000), limit=1000)
    assert tensors.to_array(claims(250), limit=1000).nbytes == 1000


def test_the_descriptors_are_those_of_the_installed_packages() -> None:
    assert describe.DESCRIPTORS.read_bytes() == describe.describe().SerializeToString(deterministic=True), (
        "run `python -m binocular.wire.describe`"
    )


def test_a_request_reads_the_same_on_both_sides() -> None:
    request = messages.PredictRequest(output_filter=["probabilities"])
    request.model_spec.name = "waste"
    request.model_spec.version.value = 3
    request.inputs["images"].CopyFrom(tensors.to_proto(np.zeros((1, 2, 2, 3), np.uint8)))
    theirs = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    assert (theirs.model_spec.name, theirs.model_spec.version.value) == ("waste", 3)
    assert messages.PredictRequest.FromString(theirs.SerializeToString()) == request
    with pytest.raises(DecodeError):
        messages.PredictRequest.FromString(b"\xff\xff")


def test_every_method_of_both_services_is_known() -> None:
    assert set(services.methods("PredictionService")) == {
        "Classify",
        "Regress",
        "Predict",
        "MultiInference",
        "GetModelMetadata",
    }
    assert set(services.methods("ModelService")) == {"GetModelStatus", "HandleReloadConfigRequest"}


def test_the_messages_come_without_tensorflow_and_live_beside_it() -> None:
    script = (
        "import sys\n"
        "from binocular.wire import messages, services, tensors\n"
        "assert 'tensorflow' not in sys.modules\n"
        "from tensorflow_serving.apis import predict_pb2\n"
        "assert predict_pb2.PredictRequest is not messages.PredictRequest\n"
        "assert predict_pb2.PredictRequest.FromString(messages.PredictRequest().SerializeToString()) is not None\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
