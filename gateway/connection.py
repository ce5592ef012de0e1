"""A connection to a gRPC server that makes one call at a time, in the thread that wants the answer.

    connection = Connection.open(family, address, until)
    answer = connection.call(request_headers("/a.b.C/D", "host:8500", "5000m"), message, until)

No thread reads for another: who asks writes the question, waits for the socket, and reads the answer.
`usable` says whether the connection can take another call: only one whose last call came to an orderly end can.
"""

import contextlib
import select
import socket
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from binocular.errors import Http2Error
from binocular.http2 import frames
from binocular.http2.frames import Frame, Frames, Window
from binocular.http2.headers import HeaderReader, encode
from binocular.wire.codes import StatusCode
from binocular.wire.framing import CONTENT_TYPE, framed
from gateway.reply import CallError, Reply

# A message in pieces: most of one are pixels, which are not copied for being a part of it.
Message = Sequence[bytes | memoryview]

READ_BYTES: Final = 1 << 16
# Bytes of a question that are made into frames at once, and pieces that the system is given at once.
AHEAD_BYTES: Final = 1 << 20
PIECES: Final = 64
# Streams are never numbered anew: long before the last, another connection is taken.
LAST_STREAM: Final = 1 << 30
# For whom no time is left: zero would mean not to wait, and nothing to wait for ever.
_HARDLY_S: Final = 0.001
# Half of what the peer may send is used up: it is told that it may send more.
_HALF: Final = frames.LARGEST_WINDOW // 2
_GREETING: Final = (
    frames.PREFACE
    + frames.settings({frames.TABLE_SIZE: 0, frames.ENABLE_PUSH: 0, frames.INITIAL_WINDOW: frames.LARGEST_WINDOW})
    + frames.window(0, frames.LARGEST_WINDOW - frames.WINDOW_BYTES)
)
_ACK: Final = frames.frame(frames.SETTINGS, frames.ACK, 0)
_NOTHING: Final = memoryview(b"")


class LateError(Exception):
    """The time is over. (TimeoutError is also what the system says of a peer that it cannot reach.)"""


class BrokenError(Exception):
    """The connection is over before the call is.

    `unasked` says that the server has certainly not begun with the call, `unheard` that it has not said anything
    about it.
    """

    def __init__(self, text: str, *, unasked: bool, unheard: bool) -> None:
        super().__init__(text)
        self.unasked, self.unheard = unasked, unheard


@lru_cache(maxsize=1024)
def request_headers(path: str, authority: str, timeout: str) -> bytes:
    """The headers of a call: the same bytes for the same call, which a server can know again."""
    return encode(
        {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": authority,
            "te": "trailers",
            "content-type": CONTENT_TYPE,
            "user-agent": "binocular-gateway",
            "grpc-timeout": timeout,
        }
    )


class Connection:
    """One connection, for whoever has it to himself. `idle_since` is for who keeps it meanwhile."""

    def __init__(self, connected: socket.socket) -> None:
        self.idle_since = 0.0
        self._socket = connected
        self._poll = select.poll()
        self._waits_for = select.POLLIN
        self._poll.register(connected, select.POLLIN)
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._frames, self._headers, self._window = Frames(frames.FRAME_BYTES), HeaderReader(), Window()
        self._out: list[bytes | memoryview] = [_GREETING]
        self._taken = 0  # of the connection's window, since the peer was last told that it may send more
        self._greeted = self._ends = self._amid = self._refused = False
        # Of the call.
        self._stream = -1
        self._reply = Reply()
        self._message = _NOTHING
        self._sent = self._of_stream = 0

    @classmethod
    def open(cls, family: int, address: tuple[Any, ...], until: float) -> "Connection":
        """A connection on which the server has said what it wants to be kept to.

        LateError, OSError or Http2Error where there is none in time.
        """
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.settimeout(max(_HARDLY_S, until - time.monotonic()))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(0)  # from now on the poll waits, for both directions
            connection = cls(opened)
            connection._greet(until)
        except BaseException:
            opened.close()
            raise
        return connection

    def _greet(self, until: float) -> None:
        while not self._greeted:
            self._exchange(until)
        if self._ends:
            raise Http2Error(frames.NO_ERROR, "the server is going away")

    def close(self) -> None:
        """End it."""
        self._socket.close()

    @property
    def usable(self) -> bool:
        """Whether it can take another call, as far as is known."""
        return not (self._ends or self._amid)

    def look(self) -> bool:
        """Whether it can take another call, after a look at what came meanwhile."""
        try:
            self._read()
            self._flush()
        except (OSError, Http2Error):
            self._ends = True
        return self.usable

    def call(self, headers: bytes, message: Message, until: float) -> bytes:
        """The answer to a message; CallError where the server refuses or time is over, BrokenError as it says."""
        self._stream += 2
        self._amid, self._ends = True, self._ends or self._stream >= LAST_STREAM
        self._reply = reply = Reply()
        self._message, self._sent = memoryview(framed(*message)), 0
        self._of_stream = self._window.initial
        self._out.append(frames.frame(frames.HEADERS, frames.END_HEADERS, self._stream, headers))
        try:
            self._fill()
            while not reply.over:
                self._exchange(until)
        except LateError:
            raise CallError(StatusCode.DEADLINE_EXCEEDED, "the server has not answered in time") from None
        except (OSError, Http2Error) as error:
            raise BrokenError(str(error), unasked=self._refused, unheard=not reply.begun) from None
        self._finish()
        return reply.message()

    def _finish(self) -> None:
        """An answer has come to its end: what it leaves to be sent must not be in the way of the next call."""
        unsent = self._sent < len(self._message)  # the server did not want to know the whole question
        self._message, self._sent = _NOTHING, 0
        with contextlib.suppress(OSError):
            self._flush()
            self._amid = unsent or bool(self._out)

    # What follows moves bytes.

    def _exchange(self, until: float) -> None:
        """Send what can be sent, wait for the peer, and take what it says."""
        self._flush()
        waits_for = select.POLLIN | select.POLLOUT if self._out else select.POLLIN
        if waits_for != self._waits_for:
            self._waits_for = waits_for
            self._poll.modify(self._socket, waits_for)
        left = until - time.monotonic()
        if left <= 0 or not self._poll.poll(left * 1000):
            raise LateError
        self._read()

    def _flush(self) -> None:
        """Send as much as the system takes now."""
        while self._out:
            pieces = self._out[:PIECES]
            try:
                sent = self._socket.sendmsg(pieces)
            except BlockingIOError:
                return
            gone = 0
            while gone < len(pieces) and len(pieces[gone]) <= sent:
                sent -= len(pieces[gone])
                gone += 1
            del self._out[:gone]
            if sent:
                self._out[0] = memoryview(self._out[0])[sent:]
            if not self._out:
                self._fill()

    def _fill(self) -> None:
        """As much of the message as may go now, made into frames; a part of it while others wait to be sent."""
        if self._sent < len(self._message) and len(self._out) < PIECES:
            room = min(self._of_stream, AHEAD_BYTES)
            made, bytes_ = self._window.data(self._stream, self._message, self._sent, room, end=True)
            self._sent += bytes_
            self._of_stream -= bytes_
            self._out += made

    def _read(self) -> None:
        """Take what has come, without waiting."""
        try:
            count = self._socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        if not count:
            raise ConnectionResetError("the server has closed the connection")
        for each in self._frames.read(self._buffer[:count]):
            self._take(each)
        if self._taken > _HALF:
            self._out.append(frames.window(0, self._taken))
            self._taken = 0

    # What follows understands frames.

    def _take(self, came: Frame) -> None:
        """A frame that is about a call."""
        kind, flags, stream, payload, cost = came
        if not self._greeted and (kind != frames.SETTINGS or flags & frames.ACK):
            raise Http2Error(frames.PROTOCOL, "the server does not speak HTTP/2")
        self._headers.check(came)
        if kind == frames.DATA:
            self._taken += cost
            self._of_call(stream).data(payload, last=bool(flags & frames.END_STREAM))
        elif kind in {frames.HEADERS, frames.CONTINUATION}:
            reply = self._of_call(stream)
            if block := self._headers.add(came):
                reply.headers(block.headers, last=block.is_last)
        elif kind == frames.RESET:
            self._reset(stream, frames.number(payload))
        elif kind == frames.WINDOW:
            self._widen(stream, frames.number(payload))
        else:
            self._take_other(kind, flags, payload)

    def _take_other(self, kind: int, flags: int, payload: memoryview) -> None:
        """A frame that is about the connection; what is neither is passed over, as the standard wants it."""
        if kind == frames.SETTINGS:
            self._set(flags, payload)
        elif kind == frames.PING and not flags & frames.ACK:
            self._out.append(frames.frame(frames.PING, frames.ACK, 0, bytes(payload)))
        elif kind == frames.GOAWAY:
            self._goaway(payload)
        elif kind == frames.PUSH:
            raise Http2Error(frames.PROTOCOL, "a push that was forbidden")

    def _of_call(self, stream: int) -> Reply:
        """The answer that a frame is of."""
        if stream != self._stream or self._reply.over:
            raise Http2Error(frames.PROTOCOL, f"an answer on stream {stream}, on which nothing is asked")
        return self._reply

    def _reset(self, stream: int, why: int) -> None:
        if stream == self._stream and not self._reply.over:
            if why == frames.REFUSED:
                self._refused = True
                raise Http2Error(why, "the server refused the call")
            self._reply.reset(why)

    def _widen(self, stream: int, bytes_: int) -> None:
        if stream == 0:
            self._window.more(bytes_)
        elif stream == self._stream:
            self._of_stream = frames.larger(self._of_stream, bytes_)
        self._fill()

    def _set(self, flags: int, payload: memoryview) -> None:
        if flags & frames.ACK:
            self._headers.forget()
            return
        self._greeted = True
        for name, value in frames.pairs(payload):
            self._of_stream += self._window.set(name, value)
        self._out.append(_ACK)
        self._fill()

    def _goaway(self, payload: memoryview) -> None:
        """No more calls on this connection; this one is answered unless it came too late."""
        self._ends = True
        last = frames.number(payload[: frames.NUMBER.size])
        if last < self._stream and not self._reply.over:
            self._refused = True
            raise Http2Error(frames.NO_ERROR, "the server is going away and did not begin with the call")
