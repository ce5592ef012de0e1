"""A gRPC call as the server has it: the headers it came with, its message as it comes in, and its answer's words.

Nothing here knows sockets or threads; `connection.py` brings the bytes, `rpc.py` answers.
"""

import re
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from binocular.http2 import headers
from binocular.wire.codes import StatusCode
from binocular.wire.framing import CONTENT_TYPE, PREFIX
from serving.server.deadline import Deadline
from serving.server.status import ServingError

if TYPE_CHECKING:
    from serving.server.connection import Connection

# Of a message that nobody reads yet: an image or two. A longer one comes on when it is its turn.
UNREAD_BYTES: Final = 256 << 10
HEADERS: Final = headers.encode({":status": "200", "content-type": CONTENT_TYPE})
OK: Final = headers.encode({"grpc-status": "0"})
NOT_GRPC: Final = headers.encode({":status": "415"})
_TIMEOUT: Final = re.compile(r"([0-9]{1,8})([HMSmun])")
_SECONDS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
# What zlib calls a stream with a header of gzip's or its own.
_ANY_HEADER: Final = 47
_ENCODINGS: Final = ("identity", "deflate", "gzip")
_PLAIN: Final = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}~"


class Call:
    """One call, from its headers to its answer."""

    def __init__(self, connection: "Connection", stream: int, said: Mapping[str, str], window: int) -> None:
        self.connection, self.stream = connection, stream
        self.path = said.get(":path", "")
        self.encoding = said.get("grpc-encoding", "identity")
        self.deadline = Deadline.within(_timeout(said.get("grpc-timeout", "")), self.wanted)
        self.method: Any = None  # of whoever answers it
        self.gone = False  # nobody waits for the answer any more
        self.handed_over = False  # it has come whole, and somebody answers it
        # Receiving: what came, how long the message is, and how much more may be sent.
        self.body, self.size, self.room = bytearray(), -1, UNREAD_BYTES
        self.waits = False  # for its turn to send a long message, or has it
        self.received_at = time.monotonic()
        # Answering: messages, how much of them was sent, how much the caller takes, and what comes behind them.
        self.has_begun = self.has_ended = False
        self.unsent, self.sent, self.window = b"", 0, window
        self.trailers: bytes | None = None

    def wanted(self) -> bool:
        """Whether somebody waits for the answer."""
        return not self.gone

    def take(self, part: memoryview, limit: int) -> None:
        """A piece of the message; ServingError where it is too long."""
        self.body += part
        self.received_at = time.monotonic()
        if self.size < 0 and len(self.body) >= PREFIX.size:
            self.size = PREFIX.unpack_from(self.body)[1]
            if self.size > limit:
                raise ServingError(
                    StatusCode.RESOURCE_EXHAUSTED, f"Received message larger than max ({self.size} vs. {limit})"
                )
        if 0 <= self.size < len(self.body) - PREFIX.size:
            raise ServingError(StatusCode.INTERNAL, "more than the one message that such a call has")

    @property
    def missing(self) -> int:
        """Bytes that the caller is not yet allowed to send."""
        return max(0, self.size + PREFIX.size - len(self.body) - self.room) if self.size >= 0 else 0

    def message(self, limit: int) -> bytes | bytearray:
        """The message, which is not kept; ServingError where it did not come whole or cannot be unpacked."""
        if self.size < 0 or len(self.body) != self.size + PREFIX.size:
            raise ServingError(StatusCode.INTERNAL, "the message ends before its end")
        content, self.body = self.body, bytearray()
        is_packed = content[0]
        del content[: PREFIX.size]  # which copies nothing
        return _unpacked(content, self.encoding, limit) if is_packed else content


def trailers(code: StatusCode, text: str) -> bytes:
    """How a call ends, as a block of headers."""
    if code is StatusCode.OK:
        return OK
    return headers.encode(_status(code, text))


def refusal(code: StatusCode, text: str) -> bytes:
    """An answer that is nothing but how the call ends."""
    return headers.encode({":status": "200", "content-type": CONTENT_TYPE, **_status(code, text)})


def _status(code: StatusCode, text: str) -> dict[str, str]:
    accepted = {"grpc-accept-encoding": ",".join(_ENCODINGS)} if code is StatusCode.UNIMPLEMENTED else {}
    return {"grpc-status": str(code.value), "grpc-message": quote(text, _PLAIN), **accepted}


def _timeout(text: str) -> float | None:
    found = _TIMEOUT.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def _unpacked(content: bytearray, encoding: str, limit: int) -> bytes:
    """A compressed message, never more than `limit` bytes of it."""
    if encoding not in _ENCODINGS[1:]:
        raise ServingError(StatusCode.UNIMPLEMENTED, f"messages compressed as {encoding} are not supported")
    unpacker = zlib.decompressobj(_ANY_HEADER)
    try:
        found = unpacker.decompress(content, limit + 1)
    except zlib.error as error:
        raise ServingError(StatusCode.INTERNAL, f"a message that is not {encoding}: {error}") from None
    if len(found) > limit:
        raise ServingError(StatusCode.RESOURCE_EXHAUSTED, f"Received message larger than max ({limit})")
    if not unpacker.eof:
        raise ServingError(StatusCode.INTERNAL, f"a message that is not {encoding}: it ends too early")
    return found
