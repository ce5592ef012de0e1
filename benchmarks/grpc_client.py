"""A question over gRPC, with no more of HTTP/2 than one call at a time on a connection needs.

gRPC's own client costs about as much processor time a call as the server: it would be measured with it.
"""

from benchmarks.connection import Connection, Told
from binocular.http2 import frames
from binocular.http2.frames import Frames, Window, frame
from binocular.http2.headers import encode
from binocular.wire.framing import CONTENT_TYPE, framed

# So much may come without our saying so again: answers are small.
OURS = 1 << 30


def _headers(path: str) -> bytes:
    """POST to a path."""
    return encode(
        {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "127.0.0.1",
            "te": "trailers",
            "content-type": CONTENT_TYPE,
        }
    )


class Grpc(Connection):
    """Makes one unary call after the other, each with the same message."""

    def __init__(self, path: str, message: bytes, end: float, told: Told) -> None:
        super().__init__(end, told)
        self._headers = _headers(path)
        self._message = memoryview(framed(message))
        self._frames, self._window = Frames(frames.FRAME_BYTES), Window()
        self._stream = -1
        self._sent = self._answer_bytes = 0
        self._of_call = 0  # how much the server takes of it yet
        self._greeted = False

    def _send(self) -> None:
        self._stream += 2
        self._sent = self._answer_bytes = 0
        self._of_call = self._window.initial
        if not self._greeted:
            self._greeted = True
            chosen = {frames.TABLE_SIZE: 0, frames.INITIAL_WINDOW: OURS}
            self._transport.write(frames.PREFACE + frames.settings(chosen) + frames.window(0, OURS))
        block = frame(frames.HEADERS, frames.END_HEADERS, self._stream, self._headers)
        self._transport.writelines([block, *self._body()])

    def _body(self) -> list[bytes | memoryview]:
        """As much of the message as may go now."""
        made, count = self._window.data(self._stream, self._message, self._sent, self._of_call, end=True)
        self._sent += count
        self._of_call -= count
        return made

    def data_received(self, data: bytes) -> None:
        """Frames, whole or in part."""
        for kind, flags, stream, payload, _ in self._frames.read(memoryview(data)):
            if kind == frames.SETTINGS and not flags & frames.ACK:
                for name, value in frames.pairs(payload):
                    self._of_call += self._window.set(name, value)
                self._transport.writelines([frame(frames.SETTINGS, frames.ACK, 0), *self._body()])
            elif kind == frames.PING and not flags & frames.ACK:
                self._transport.write(frame(frames.PING, frames.ACK, 0, payload))
            elif kind == frames.WINDOW:
                self._widen(stream, frames.number(payload))
            elif kind in {frames.RESET, frames.GOAWAY} or (
                kind in {frames.DATA, frames.HEADERS} and stream == self._stream
            ):
                self._of_answer(kind, flags, payload)

    def _widen(self, stream: int, more: int) -> None:
        """The server takes more."""
        if stream == 0:
            self._window.more(more)
        elif stream == self._stream:
            self._of_call += more
        self._transport.writelines(self._body())

    def _of_answer(self, kind: int, flags: int, payload: memoryview) -> None:
        """A frame of the answer; one that ends without a message is a refusal."""
        if kind == frames.DATA:
            self._answer_bytes += len(payload)
        if kind in {frames.RESET, frames.GOAWAY} or flags & frames.END_STREAM:
            self._answered("" if self._answer_bytes else f"no message: {bytes(payload)!r}")
