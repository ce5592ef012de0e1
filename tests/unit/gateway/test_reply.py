"""What is made of an answer's frames, whatever they say."""

from typing import Any

import pytest

from binocular.http2 import frames
from binocular.wire.codes import StatusCode
from binocular.wire.framing import PREFIX
from gateway.reply import MOST_BYTES, CallError, Reply

HEADERS = {":status": "200", "content-type": "application/grpc+proto"}
FINE = {"grpc-status": "0"}


def answered(*pieces: bytes, headers: dict[str, str] = HEADERS, trailers: dict[str, str] = FINE) -> bytes:
    reply = Reply()
    reply.headers(headers, last=False)
    for piece in pieces:
        reply.data(piece, last=False)
    reply.headers(trailers, last=True)
    return reply.message()


def refusal(*pieces: bytes, **said: Any) -> tuple[StatusCode, str]:
    with pytest.raises(CallError) as refused:
        answered(*pieces, **said)
    return refused.value.canonical, str(refused.value)


def message(body: bytes) -> bytes:
    return PREFIX.pack(0, len(body)) + body


def test_an_answer_is_the_same_in_whatever_pieces_it_comes() -> None:
    for body in (b"", b"x", b"hello"):
        whole = message(body)
        assert answered(whole) == body
        assert answered(*(whole[at : at + 1] for at in range(len(whole)))) == body
        assert answered(whole[:3], b"", whole[3:]) == body


def test_an_answer_is_over_with_its_last_headers() -> None:
    reply = Reply()
    over = [reply.over]
    reply.headers(HEADERS, last=False)
    reply.data(message(b"x"), last=False)
    over.append(reply.over)
    reply.headers(FINE, last=True)
    assert [*over, reply.over] == [False, False, True]


@pytest.mark.parametrize(
    "pieces",
    [(), (b"\0",), (b"\0\0\0\0\2a",), (message(b"a"), b"b"), (message(b"a") * 2,), (b"\1\0\0\0\1a",)],
    ids=["nothing", "half a prefix", "half a message", "too much", "two", "compressed"],
)
def test_what_is_not_exactly_one_message_is_no_answer(pieces: tuple[bytes, ...]) -> None:
    assert refusal(*pieces)[0] is StatusCode.INTERNAL


def test_a_huge_answer_is_refused_as_soon_as_it_says_how_large_it_is() -> None:
    assert refusal(PREFIX.pack(0, MOST_BYTES + 1))[0] is StatusCode.RESOURCE_EXHAUSTED
    assert refusal(PREFIX.pack(0, MOST_BYTES))[0] is StatusCode.INTERNAL  # large enough, but not there


@pytest.mark.parametrize("code", [each for each in StatusCode if each is not StatusCode.OK])
def test_a_refusal_says_its_code_and_its_text(code: StatusCode) -> None:
    trailers = {"grpc-status": str(code.value), "grpc-message": "nein: %C3%BC%20100%25 %zz"}
    assert refusal(trailers=trailers) == (code, "nein: ü 100% %zz")
    only = Reply()
    only.headers({**HEADERS, **trailers}, last=True)
    assert only.over
    with pytest.raises(CallError, match="nein"):
        only.message()


@pytest.mark.parametrize("status", ["", "17", "-1", "x", "9" * 5000, "²"])
def test_a_status_that_is_none_is_unknown(status: str) -> None:
    assert refusal(trailers={"grpc-status": status})[0] is StatusCode.UNKNOWN


def test_an_end_without_a_status_is_unknown() -> None:
    assert refusal(message(b"a"), trailers={"x": "y"})[0] is StatusCode.UNKNOWN
    reply = Reply()
    reply.headers(HEADERS, last=False)
    reply.data(message(b"a"), last=True)
    with pytest.raises(CallError) as refused:
        reply.message()
    assert refused.value.canonical is StatusCode.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("502", StatusCode.UNAVAILABLE),
        ("503", StatusCode.UNAVAILABLE),
        ("504", StatusCode.UNAVAILABLE),
        ("429", StatusCode.UNAVAILABLE),
        ("404", StatusCode.UNIMPLEMENTED),
        ("403", StatusCode.PERMISSION_DENIED),
        ("500", StatusCode.UNKNOWN),
        ("x", StatusCode.UNKNOWN),
    ],
)
def test_what_is_no_grpc_server_is_told_by_its_http_status(status: str, code: StatusCode) -> None:
    assert refusal(headers={":status": status, "content-type": "text/html"})[0] is code


def test_an_answer_of_another_type_or_of_none_is_unknown() -> None:
    assert refusal(headers={":status": "200", "content-type": "text/html"})[0] is StatusCode.UNKNOWN
    assert refusal(headers={":status": "200"})[0] is StatusCode.UNKNOWN
    assert refusal(headers={})[0] is StatusCode.UNKNOWN


def test_headers_that_only_inform_are_passed_over() -> None:
    reply = Reply()
    reply.headers({":status": "100"}, last=False)
    reply.headers(HEADERS, last=False)
    reply.data(message(b"a"), last=False)
    reply.headers(FINE, last=True)
    assert reply.message() == b"a"


def test_what_comes_out_of_order_is_refused() -> None:
    with pytest.raises(CallError):
        Reply().data(b"x", last=False)
    reply = Reply()
    reply.headers(HEADERS, last=False)
    with pytest.raises(CallError):
        reply.headers(HEADERS, last=False)


@pytest.mark.parametrize(
    ("why", "code"),
    [
        (frames.REFUSED, StatusCode.UNAVAILABLE),
        (frames.CANCEL, StatusCode.CANCELLED),
        (frames.CALM, StatusCode.RESOURCE_EXHAUSTED),
        (frames.INTERNAL, StatusCode.INTERNAL),
        (99, StatusCode.INTERNAL),
    ],
)
def test_a_call_that_the_server_ends_says_why(why: int, code: StatusCode) -> None:
    reply = Reply()
    reply.reset(why)
    assert reply.over
    with pytest.raises(CallError) as refused:
        reply.message()
    assert refused.value.canonical is code
