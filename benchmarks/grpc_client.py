"""A question over gRPC, with no more of HTTP/2 than one call at a time on a connection needs.

gRPC's own client costs about as much processor time a call as the server: it would be measured with it.
"""

import struct
from collections.abc import Iterator

from benchmarks.connection import Connection, Told

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
INITIAL_WINDOW, MAX_FRAME = 4, 5
HEAD = 9
# What the standard says until a peer says otherwise.
WINDOW_BYTES, FRAME_BYTES = 65_535, 16_384
# So much may come without our saying so again: answers are small.
OURS = 1 << 30


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _headers(path: str) -> bytes:
    """POST to a path, in HPACK without its tables' memory or its compression."""

    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()  # of fewer than 127 characters

    method, scheme, of_path, of_authority, of_type = b"\x83", b"\x86", b"\x04", b"\x01", b"\x0f\x10"
    named = of_path + text(path) + of_authority + text("127.0.0.1") + of_type + text("application/grpc")
    return method + scheme + named + b"\x00" + text("te") + text("trailers")


class Grpc(Connection):
    """Makes one unary call after the other, each with the same message."""

    def __init__(self, path: str, message: bytes, end: float, told: Told) -> None:
        super().__init__(end, told)
        self._headers = _headers(path)
        self._message = b"\x00" + struct.pack(">I", len(message)) + message
        self._came = bytearray()
        self._stream = -1
        self._sent = self._answer_bytes = 0
        # How much the server takes: on the connection, on each call to begin with, on this call, in one frame.
        self._window, self._initial, self._of_call, self._most = WINDOW_BYTES, WINDOW_BYTES, 0, FRAME_BYTES
        self._greeted = False

    def _send(self) -> None:
        self._stream += 2
        self._sent = self._answer_bytes = 0
        self._of_call = self._initial
        if not self._greeted:
            self._greeted = True
            windows = struct.pack(">HI", INITIAL_WINDOW, OURS)
            self._transport.write(PREFACE + _frame(SETTINGS, 0, 0, windows))
            self._transport.write(_frame(WINDOW, 0, 0, struct.pack(">I", OURS)))
        self._transport.write(_frame(HEADERS, END_HEADERS, self._stream, self._headers) + self._body())

    def _body(self) -> bytes:
        """As much of the message as may go now."""
        frames = []
        while size := min(len(self._message) - self._sent, self._window, self._of_call, self._most):
            if size < 0:
                break
            part = self._message[self._sent : self._sent + size]
            self._sent += size
            self._window -= size
            self._of_call -= size
            last = END_STREAM if self._sent == len(self._message) else 0
            frames.append(_frame(DATA, last, self._stream, part))
        return b"".join(frames)

    def data_received(self, data: bytes) -> None:
        """Frames, whole or in part."""
        self._came += data
        for kind, flags, stream, payload in self._frames():
            if kind == SETTINGS and not flags & ACK:
                self._set(payload)
            elif kind == PING and not flags & ACK:
                self._transport.write(_frame(PING, ACK, 0, payload))
            elif kind == WINDOW:
                more = int.from_bytes(payload) & 0x7FFFFFFF
                if stream == 0:
                    self._window += more
                elif stream == self._stream:
                    self._of_call += more
                self._transport.write(self._body())
            elif kind in {RESET, GOAWAY} or (kind in {DATA, HEADERS} and stream == self._stream):
                self._of_answer(kind, flags, payload)

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Those that have come whole."""
        while len(self._came) >= HEAD:
            size = int.from_bytes(self._came[:3])
            if len(self._came) < HEAD + size:
                return
            kind, flags, stream = struct.unpack(">BBI", self._came[3:HEAD])
            payload = bytes(self._came[HEAD : HEAD + size])
            del self._came[: HEAD + size]
            yield kind, flags, stream, payload

    def _set(self, payload: bytes) -> None:
        """What the server wants to be kept to."""
        for name, value in struct.iter_unpack(">HI", payload):
            if name == INITIAL_WINDOW:
                self._of_call += value - self._initial
                self._initial = value
            elif name == MAX_FRAME:
                self._most = value
        self._transport.write(_frame(SETTINGS, ACK, 0) + self._body())

    def _of_answer(self, kind: int, flags: int, payload: bytes) -> None:
        """A frame of the answer; one that ends without a message is a refusal."""
        if kind == DATA:
            self._answer_bytes += len(payload)
        if kind in {RESET, GOAWAY} or flags & END_STREAM:
            self._answered("" if self._answer_bytes else f"no message: {payload!r}")
