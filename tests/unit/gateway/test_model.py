"""What the model is asked, and what is made of its answers."""

import numpy as np
import pytest
from tensorflow_serving.apis import predict_pb2

from binocular.candidate import FAMILIARITY
from binocular.errors import BinocularError, ModelAnswerError, ModelTimeoutError, ModelUnavailableError
from binocular.wire import messages, tensors
from binocular.wire.codes import StatusCode
from gateway.connection import Message
from gateway.model import Model, Signature
from gateway.reply import CallError

SIGNATURE = Signature(3, 4, 5)


class Channel:
    """Remembers what was asked, and answers what a test says."""

    def __init__(self, answer: bytes | CallError) -> None:
        self._answer = answer
        self.asked: list[bytes] = []
        self.timeouts: list[float] = []

    def call(self, path: str, message: Message, timeout_s: float) -> bytes:
        assert path == "/tensorflow.serving.PredictionService/Predict"
        self.asked.append(b"".join(message))
        self.timeouts.append(timeout_s)
        if isinstance(self._answer, CallError):
            raise self._answer
        return self._answer


def asking(answer: bytes | CallError) -> tuple[Model, Channel]:
    model, channel = Model("here:1", "waste", deadline_s=5), Channel(answer)
    vars(model)["_channel"] = channel
    return model, channel


def answer(rows: int, **outputs: np.ndarray) -> bytes:
    response = messages.PredictResponse()
    response.model_spec.version.value = 3
    for name, array in {"probabilities": np.full((rows, 2), 0.5, np.float32), **outputs}.items():
        response.outputs[name].CopyFrom(tensors.to_proto(array))
    return bytes(response.SerializeToString())


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("strided", [False, True])
def test_the_question_is_the_one_that_tensorflow_reads(count: int, *, strided: bool) -> None:
    whole = np.random.default_rng(count).integers(0, 256, (2 * count, 4, 5, 3), np.uint8)
    pixels = whole[::2] if strided else whole[:count]
    model, channel = asking(answer(count))
    for images in (pixels, pixels[:, ::-1]):
        model.predict(images, SIGNATURE)
        read = predict_pb2.PredictRequest.FromString(channel.asked[-1])
        assert (read.model_spec.name, read.model_spec.signature_name) == ("waste", "serving_default")
        assert list(read.inputs) == ["images"]
        found = messages.TensorProto.FromString(read.inputs["images"].SerializeToString())
        np.testing.assert_array_equal(tensors.to_array(found), images)


def test_the_answer_is_read_with_what_it_tells_of_familiarity() -> None:
    model, _ = asking(answer(2))
    plain = model.predict(np.zeros((2, 4, 5, 3), np.uint8), SIGNATURE)
    assert (plain.version, plain.probabilities.tolist(), plain.familiarity) == (3, [[0.5, 0.5]] * 2, None)
    model, _ = asking(answer(2, **{FAMILIARITY: np.array([0.25, 1], np.float32)}))
    told = model.predict(np.zeros((2, 4, 5, 3), np.uint8), SIGNATURE)
    assert told.familiarity is not None
    assert told.familiarity.tolist() == [0.25, 1]


def test_nobody_waits_longer_than_the_shorter_of_both_deadlines() -> None:
    model, channel = asking(answer(1))
    for deadline_s in (1, 50):
        model.predict(np.zeros((1, 4, 5, 3), np.uint8), SIGNATURE, deadline_s)
    assert channel.timeouts == [1, 5]


def test_pixels_of_another_size_are_not_sent() -> None:
    model, channel = asking(answer(1))
    with pytest.raises(ValueError, match="pixels are"):
        model.predict(np.zeros((1, 5, 4, 3), np.uint8), SIGNATURE)
    assert channel.asked == []


@pytest.mark.parametrize(
    "came",
    [
        b"\xff\xff",
        b"",
        answer(2),
        answer(1, probabilities=np.array([[0.5, np.nan]], np.float32)),
        answer(1, probabilities=np.array([0.5], np.float32)),
    ],
    ids=["no message", "nothing", "another number", "not a number", "another rank"],
)
def test_an_answer_that_makes_no_sense_is_the_models_fault(came: bytes) -> None:
    model, _ = asking(came)
    with pytest.raises(ModelAnswerError):
        model.predict(np.zeros((1, 4, 5, 3), np.uint8), SIGNATURE)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (StatusCode.DEADLINE_EXCEEDED, ModelTimeoutError),
        (StatusCode.UNAVAILABLE, ModelUnavailableError),
        (StatusCode.RESOURCE_EXHAUSTED, ModelUnavailableError),
        (StatusCode.NOT_FOUND, ModelUnavailableError),
        (StatusCode.CANCELLED, ModelUnavailableError),
        (StatusCode.ABORTED, ModelUnavailableError),
        (StatusCode.INVALID_ARGUMENT, ModelAnswerError),
        (StatusCode.INTERNAL, ModelAnswerError),
    ],
)
def test_each_failure_says_whether_to_ask_again(code: StatusCode, kind: type[BinocularError]) -> None:
    model, _ = asking(CallError(code, "because"))
    with pytest.raises(kind, match=f"Predict of waste at here:1: {code.name}: because"):
        model.predict(np.zeros((1, 4, 5, 3), np.uint8), SIGNATURE)
