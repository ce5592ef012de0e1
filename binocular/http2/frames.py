"""Frames, as RFC 9113 describes them: written, and read from whatever pieces the network brings.

data = frame(HEADERS, END_HEADERS, 1, block)
for each in Frames(most=MOST_BYTES).read(memoryview(data)): ...
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from binocular.errors import Http2Error

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITY = 0x4, 0x8, 0x20
# What SETTINGS sets.
TABLE_SIZE, ENABLE_PUSH, MOST_STREAMS, INITIAL_WINDOW, FRAME_SIZE = 1, 2, 3, 4, 5
# Why a stream or a connection ends.
NO_ERROR, PROTOCOL, INTERNAL, FLOW_CONTROL, SIZE, REFUSED, CANCEL, COMPRESSION, CALM = 0, 1, 2, 3, 6, 7, 8, 9, 11

HEAD: Final = struct.Struct(">IBI")  # the length in the upper 24 bits with the kind below, flags, the stream
HEAD_BYTES: Final = 9
PRIORITY_BYTES: Final = 5
PING_BYTES: Final = 8
SETTING: Final = struct.Struct(">HI")
NUMBER: Final = struct.Struct(">I")
# What the standard says until a peer says otherwise, and the largest window there can be.
WINDOW_BYTES: Final = 65_535
FRAME_BYTES: Final = 16_384
LARGEST_WINDOW: Final = (1 << 31) - 1
# Everything but DATA is small: no honest peer sends more of it in a frame.
SMALL: Final = 1 << 16
_STREAM = (1 << 31) - 1


class Frame(NamedTuple):
    """A frame without its padding, or of a DATA frame a piece: then END_STREAM is with the last."""

    kind: int
    flags: int
    stream: int
    payload: memoryview  # valid until more is read
    cost: int  # of the window


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """A frame as it goes over the wire."""
    return _head(kind, flags, stream, len(payload)) + payload


def _head(kind: int, flags: int, stream: int, size: int) -> bytes:
    return HEAD.pack(size << 8 | kind, flags, stream)


def settings(chosen: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*each) for each in chosen.items()))


def window(stream: int, more: int) -> bytes:
    """A WINDOW_UPDATE: the peer may send so many bytes more."""
    return frame(WINDOW, 0, stream, NUMBER.pack(more))


def reset(stream: int, why: int) -> bytes:
    """A RST_STREAM: nothing more of this stream."""
    return frame(RESET, 0, stream, NUMBER.pack(why))


def goaway(last: int, why: int) -> bytes:
    """A GOAWAY: streams up to the last are still answered, later ones are not."""
    return frame(GOAWAY, 0, 0, NUMBER.pack(last) + NUMBER.pack(why))


class Frames:
    """What a peer sends, frame by frame. DATA is passed on as it comes; of anything else whole frames are."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = bytearray()  # of a frame that is not whole yet
        self._left = self._flags = self._stream = 0  # of a DATA frame that is not whole yet

    def read(self, came: memoryview) -> Iterator[Frame]:
        """The frames in what came; Http2Error where it is none."""
        if self._held:
            came = memoryview(bytes(self._held) + came)
            self._held.clear()
        at = 0
        while True:
            if self._left:
                part = came[at : at + self._left]
                if not part:
                    return
                at += len(part)
                self._left -= len(part)
                yield Frame(DATA, 0 if self._left else self._flags, self._stream, part, len(part))
                continue
            if len(came) - at < HEAD_BYTES:
                break
            size_and_kind, flags, stream = HEAD.unpack_from(came, at)
            size, kind, stream = size_and_kind >> 8, size_and_kind & 0xFF, stream & _STREAM
            if size > (self._most if kind == DATA else SMALL):
                raise Http2Error(SIZE, f"a frame of {size} bytes")
            if kind == DATA and not flags & PADDED and size:
                at += HEAD_BYTES
                self._left, self._flags, self._stream = size, flags, stream
                continue
            if len(came) - at < HEAD_BYTES + size:
                break
            payload = came[at + HEAD_BYTES : at + HEAD_BYTES + size]
            at += HEAD_BYTES + size
            yield Frame(kind, flags, stream, _content(kind, flags, payload), size if kind == DATA else 0)
        self._held += came[at:]


def _content(kind: int, flags: int, payload: memoryview) -> memoryview:
    """A payload without padding and priority."""
    if kind not in {DATA, HEADERS}:
        return payload
    if flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise Http2Error(PROTOCOL, "a frame with more padding than it has bytes")
        payload = payload[1 : len(payload) - payload[0]]
    return payload[PRIORITY_BYTES:] if kind == HEADERS and flags & PRIORITY else payload


def number(payload: memoryview) -> int:
    """The number that a WINDOW_UPDATE or RST_STREAM is; Http2Error where it is none."""
    if len(payload) != NUMBER.size:
        raise Http2Error(SIZE, f"a number of {len(payload)} bytes")
    return int(NUMBER.unpack(payload)[0]) & _STREAM


def pairs(payload: memoryview) -> Iterator[tuple[int, int]]:
    """What a SETTINGS frame sets; Http2Error where it makes no sense."""
    if len(payload) % SETTING.size:
        raise Http2Error(SIZE, f"settings of {len(payload)} bytes")
    for name, value in SETTING.iter_unpack(payload):
        if name == INITIAL_WINDOW and value > LARGEST_WINDOW:
            raise Http2Error(FLOW_CONTROL, f"a window of {value} bytes")
        if name == FRAME_SIZE and not FRAME_BYTES <= value < 1 << 24:
            raise Http2Error(PROTOCOL, f"frames of {value} bytes")
        yield name, value


class Window:
    """How much may be sent to a peer: on the connection, and on a stream to begin with."""

    def __init__(self) -> None:
        self.connection = self.initial = WINDOW_BYTES
        self.frame = FRAME_BYTES

    def set(self, name: int, value: int) -> int:
        """Take a setting of the peer's; by how much the windows of open streams change."""
        if name == FRAME_SIZE:
            self.frame = value
        if name != INITIAL_WINDOW:
            return 0
        change, self.initial = value - self.initial, value
        return change

    def more(self, bytes_: int) -> None:
        """The connection's became larger; Http2Error where no window can be so large."""
        self.connection = larger(self.connection, bytes_)

    def data(
        self, stream: int, message: bytes | memoryview, begin: int, of_stream: int, *, end: bool
    ) -> tuple[list[bytes | memoryview], int]:
        """As many DATA frames of a message as may go now, from `begin` on, and how many bytes of it they hold.

        The frames are in pieces: what a frame holds is a part of the message, which is not copied if it is a
        memoryview.
        """
        pieces: list[bytes | memoryview] = []
        at, until = begin, begin + max(0, min(len(message) - begin, self.connection, of_stream))
        while at < until:
            part = message[at : min(until, at + self.frame)]
            at += len(part)
            flags = END_STREAM if end and at == len(message) else 0
            pieces += (_head(DATA, flags, stream, len(part)), part)
        self.connection -= at - begin
        return pieces, at - begin


def larger(window_: int, bytes_: int) -> int:
    """A window with more room; Http2Error where there is no such window."""
    if not bytes_:
        raise Http2Error(PROTOCOL, "a window that grows by nothing")
    if window_ + bytes_ > LARGEST_WINDOW:
        raise Http2Error(FLOW_CONTROL, f"a window of {window_ + bytes_} bytes")
    return window_ + bytes_
