"""What a gRPC server answers to one call, put together from the frames that bring it.

    reply = Reply()
    reply.headers({":status": "200", "content-type": "application/grpc"}, last=False)
    reply.data(b"\\0\\0\\0\\0\\5hello", last=False)
    reply.headers({"grpc-status": "0"}, last=True)
    reply.message()                                  # b"hello", or CallError says how else the call ended

It reads nothing and sends nothing. What a peer does wrong becomes a status, the same as gRPC's own clients say.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from binocular.errors import BinocularError
from binocular.http2 import frames
from binocular.wire.codes import StatusCode
from binocular.wire.framing import CONTENT_TYPE, PREFIX

# Answers are small; what a server may send at most is ours to say.
MOST_BYTES: Final = 16 << 20

_NO_STATUS = "the answer ended without a status"
_OK = "200"
_INFORMATIONAL = "1"
# Who answers with one of these is no gRPC server, but something in front of it.
_HTTP = {
    "400": StatusCode.INTERNAL,
    "401": StatusCode.UNAUTHENTICATED,
    "403": StatusCode.PERMISSION_DENIED,
    "404": StatusCode.UNIMPLEMENTED,
    "429": StatusCode.UNAVAILABLE,
    "502": StatusCode.UNAVAILABLE,
    "503": StatusCode.UNAVAILABLE,
    "504": StatusCode.UNAVAILABLE,
}
_STATUS, _FINE = "grpc-status", str(StatusCode.OK.value)
_CODES = {str(each.value): each for each in StatusCode}
_RESETS = {
    frames.REFUSED: StatusCode.UNAVAILABLE,
    frames.CANCEL: StatusCode.CANCELLED,
    frames.CALM: StatusCode.RESOURCE_EXHAUSTED,
}


class CallError(BinocularError):
    """A call without an answer; its code says why, and so whether a retry may help."""

    code = "call"

    def __init__(self, canonical: StatusCode, text: str) -> None:
        super().__init__(text)
        self.canonical = canonical


class Reply:
    """One answer. `over` says whether the server has said all it will; CallError ends it before."""

    def __init__(self) -> None:
        self.over = False
        self.begun = False  # whether the server has said anything at all
        self._body = bytearray()
        self._has_headers = False
        self._failure: CallError | None = None
        self._whole = PREFIX.size  # bytes of the body, as far as they are known

    def headers(self, found: Mapping[str, str], *, last: bool) -> None:
        """A block of headers or trailers."""
        self.begun = True
        if not self._has_headers:
            if found.get(":status", "").startswith(_INFORMATIONAL) and not last:
                return  # the real ones follow
            _check(found)
            self._has_headers = True
        elif not last:
            raise CallError(StatusCode.INTERNAL, "headers came after headers")
        if last:
            self.over, self._failure = True, _failure(found)

    def data(self, payload: memoryview | bytes, *, last: bool) -> None:
        """A piece of the body."""
        self.begun = True
        if not self._has_headers:
            raise CallError(StatusCode.INTERNAL, "a body came before its headers")
        before = len(self._body)
        self._body += payload
        if before < PREFIX.size <= len(self._body):
            compressed, size = PREFIX.unpack_from(self._body)
            if compressed:
                raise CallError(StatusCode.INTERNAL, "the answer is compressed, which nobody asked for")
            if size > MOST_BYTES:
                text = f"an answer of {size} bytes; at most {MOST_BYTES} are read"
                raise CallError(StatusCode.RESOURCE_EXHAUSTED, text)
            self._whole += size
        if len(self._body) > self._whole:
            raise CallError(StatusCode.INTERNAL, "more than one answer came")
        if last:
            self.over, self._failure = True, CallError(StatusCode.UNKNOWN, _NO_STATUS)

    def reset(self, why: int) -> None:
        """The server has ended the call."""
        text = f"the server ended the call (RST_STREAM {why})"
        self.over, self._failure = True, CallError(_RESETS.get(why, StatusCode.INTERNAL), text)

    def message(self) -> bytes:
        """The answer; CallError where the server says that there is none."""
        if self._failure:
            raise self._failure
        if len(self._body) != self._whole:
            raise CallError(StatusCode.INTERNAL, f"{len(self._body)} bytes came and are no answer")
        return bytes(memoryview(self._body)[PREFIX.size :])


def _check(found: Mapping[str, str]) -> None:
    """CallError where the first headers are of no gRPC server."""
    if _STATUS in found:
        return  # it outranks whatever HTTP says
    status, type_ = found.get(":status", "missing"), found.get("content-type", "missing")
    if status != _OK:
        raise CallError(_HTTP.get(status, StatusCode.UNKNOWN), f"the HTTP status is {status}")
    if not type_.startswith(CONTENT_TYPE):
        raise CallError(StatusCode.UNKNOWN, f"the type of the answer is {type_}, not {CONTENT_TYPE}")


def _failure(trailers: Mapping[str, str]) -> CallError | None:
    """What the end of an answer says, if it says that there is none."""
    status = trailers.get(_STATUS)
    if status == _FINE:
        return None
    if status is None:
        return CallError(StatusCode.UNKNOWN, _NO_STATUS)
    text = unquote_to_bytes(trailers.get("grpc-message", "")).decode(errors="replace")
    return CallError(_CODES.get(status, StatusCode.UNKNOWN), text)
