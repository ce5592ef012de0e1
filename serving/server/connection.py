"""One peer's connection: frames in, calls handed over, answers out as far as the peer takes them.

The loop's thread reads; whoever answers a call writes, from any thread. What is received and what waits to be sent
is bounded: a call may send `UNREAD_BYTES` before somebody takes its message, and a peer that does not read its
answers is not read either.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from binocular.errors import Http2Error
from binocular.http2 import frames
from binocular.http2.frames import Frame, Frames, Window, frame, window
from binocular.http2.headers import HeaderReader
from binocular.wire.codes import StatusCode
from binocular.wire.framing import CONTENT_TYPE, framed
from serving.server import calls
from serving.server.calls import Call
from serving.server.status import ServingError

# What a peer may send on all its calls together without our saying so again, and after how much we do.
CONNECTION_BYTES: Final = 1 << 30
_REPLENISHED = CONNECTION_BYTES >> 1
FRAME_BYTES: Final = 1 << 20
# Unsent beyond this, nothing more is read from the peer.
MOST_UNSENT: Final = 1 << 20
GREET_WITHIN_S: Final = 10.0
# A message of which nothing came for so long will not come.
STALLED_S: Final = 60.0


class Door(Protocol):
    """Who answers calls."""

    limit: int  # bytes of a message
    most_streams: int

    def begin(self, call: Call) -> tuple[StatusCode, str] | None:
        """Take a call whose headers came, or say why not. What was taken is given to `end` once."""

    def large(self, call: Call) -> None:
        """Give the call room for a long message when it is its turn, by `Connection.give_room`. Asked once."""

    def ready(self, call: Call) -> None:
        """Have it answered: its message came whole."""

    def end(self, call: Call) -> None:
        """It is over."""


class Poller(Protocol):
    """What wakes a connection."""

    def watch(self, connection: "Connection", *, reads: bool, writes: bool) -> None:
        """Wake it where there is something to read, or room to write."""


class Connection:
    """A peer. `read`, `flush`, `look` and `close` are the loop's, everything else is anybody's."""

    def __init__(self, peer: socket.socket, door: Door, poller: Poller) -> None:
        self.socket = peer
        self._door, self._poller = door, poller
        self._lock = threading.RLock()
        self._calls: dict[int, Call] = {}
        self._window = Window()
        self._unsent = bytearray()
        self._frames, self._headers = Frames(FRAME_BYTES), HeaderReader()
        self._preface = bytearray()
        self._greeted = False
        self._last = self._received = 0
        self._began = time.monotonic()
        self._leaving = self._closed = False
        self._takes: dict[int, Callable[[Frame], None]] = {
            frames.DATA: self._data,
            frames.HEADERS: self._header_block,
            frames.CONTINUATION: self._header_block,
            frames.SETTINGS: self._settings,
            frames.WINDOW: self._more_window,
            frames.PING: self._ping,
            frames.RESET: self._reset,
        }
        self._send(
            frames.settings(
                {
                    frames.TABLE_SIZE: 0,
                    frames.MOST_STREAMS: door.most_streams,
                    frames.INITIAL_WINDOW: calls.UNREAD_BYTES,
                    frames.FRAME_SIZE: FRAME_BYTES,
                }
            )
            + window(0, CONNECTION_BYTES - frames.WINDOW_BYTES)
        )

    # What the loop calls.

    def read(self, buffer: memoryview) -> bool:
        """Take in what has come; whether the connection lives on."""
        try:
            count = self.socket.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        if not count:
            return False
        try:
            with self._lock:
                self._take(buffer[:count])
        except Http2Error as error:
            with self._lock:
                self._send(frames.goaway(self._last, error.why))
            return False
        return True

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            waited, self._unsent = bytes(self._unsent), bytearray()
            self._send(waited)
            if not self._unsent:
                self._poller.watch(self, reads=True, writes=False)

    def look(self, now: float) -> bool:
        """Give up what does not come; whether the connection lives on."""
        if not self._greeted:
            return now - self._began < GREET_WITHIN_S
        with self._lock:
            for call in list(self._calls.values()):
                if call.handed_over:
                    continue
                if call.deadline.remaining() == 0:
                    self.answer(call, StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the message came")
                elif now - call.received_at > STALLED_S and not call.missing:
                    self.answer(call, StatusCode.CANCELLED, f"nothing of the message came for {STALLED_S:.0f} s")
        return True

    def leave(self) -> None:
        """Take no more calls; those that are here are answered."""
        with self._lock:
            self._leaving = True
            self._send(frames.goaway(self._last, frames.NO_ERROR))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to answer and nothing to send."""
        with self._lock:
            return not self._calls and not self._unsent

    def say_goodbye(self) -> None:
        """Nothing more will be sent."""
        with contextlib.suppress(OSError):  # it is gone already
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Nobody is there any more."""
        with self._lock:
            self._closed = True
            for call in list(self._calls.values()):
                self._lose(call)
            self._unsent.clear()
        self.socket.close()

    # What anybody calls.

    def answer(self, call: Call, code: StatusCode, text: str = "", message: bytes | None = None) -> None:
        """End a call: with a last message, or with why there is none. Nothing is sent where nobody waits."""
        with self._lock:
            if not call.gone:
                if message is None and not call.has_begun:
                    self._refuse(call.stream, code, text, ended=call.handed_over)
                    self._lose(call)
                else:
                    call.trailers = calls.trailers(code, text)
                    self._add(call, message)
            self._end(call)

    def tell(self, call: Call, message: bytes) -> bool:
        """Send one of several messages; whether somebody waits for more."""
        with self._lock:
            if not call.gone:
                self._add(call, message)
            return not call.gone

    def give_room(self, call: Call) -> None:
        """Let the rest of a long message come."""
        with self._lock:
            if not call.gone and (more := call.missing):
                call.room += more
                call.received_at = time.monotonic()
                self._send(window(call.stream, more))

    def _add(self, call: Call, message: bytes | None) -> None:
        if message is not None:
            call.unsent, call.sent = call.unsent[call.sent :] + framed(message), 0
        self._pump(call)

    def _pump(self, call: Call) -> None:
        """Send of an answer what the peer takes now."""
        out = list[bytes | memoryview]()
        if not call.has_begun:
            out.append(frame(frames.HEADERS, frames.END_HEADERS, call.stream, calls.HEADERS))
        call.has_begun = True
        data, count = self._window.data(call.stream, call.unsent, call.sent, call.window, end=False)
        call.sent, call.window = call.sent + count, call.window - count
        out += data
        is_over = call.trailers is not None and call.sent == len(call.unsent)
        if is_over:
            flags = frames.END_HEADERS | frames.END_STREAM
            out.append(frame(frames.HEADERS, flags, call.stream, call.trailers or b""))
        if out:
            self._send(b"".join(out))
        if is_over:
            self._lose(call)

    def _refuse(self, stream: int, code: StatusCode, text: str, *, ended: bool) -> None:
        """Answer with nothing but why; what the peer still sends of it is not wanted."""
        flags = frames.END_HEADERS | frames.END_STREAM
        told = frame(frames.HEADERS, flags, stream, calls.refusal(code, text))
        self._send(told if ended else told + frames.reset(stream, frames.NO_ERROR))

    def _lose(self, call: Call) -> None:
        """Nobody waits for anything of a call any more."""
        del self._calls[call.stream]
        call.gone = True
        if not call.handed_over or call.has_begun:  # else somebody is at work on it, who says when it is over
            self._end(call)

    def _end(self, call: Call) -> None:
        if not call.has_ended:
            call.has_ended = True
            self._door.end(call)

    def _send(self, data: bytes) -> None:
        """Send what the socket takes; the rest waits."""
        if self._closed or not data:
            return
        sent = 0
        if not self._unsent:
            with contextlib.suppress(OSError):  # gone, or full: the loop finds out
                sent = self.socket.send(data)
        if sent < len(data):
            self._unsent += data[sent:]
            self._poller.watch(self, reads=len(self._unsent) < MOST_UNSENT, writes=True)

    # What comes in.

    def _take(self, came: memoryview) -> None:
        if len(self._preface) < len(frames.PREFACE):
            missing = len(frames.PREFACE) - len(self._preface)
            self._preface += came[:missing]
            came = came[missing:]
            if not frames.PREFACE.startswith(self._preface):
                raise Http2Error(frames.PROTOCOL, "this port speaks gRPC, which is HTTP/2")
        for each in self._frames.read(came):
            self._frame(each)

    def _frame(self, it: Frame) -> None:
        self._headers.check(it)
        if take := self._takes.get(it.kind):  # what nobody knows is passed over, as the standard has it
            take(it)

    def _data(self, it: Frame) -> None:
        self._received += it.cost
        if self._received >= _REPLENISHED:
            self._send(window(0, self._received))
            self._received = 0
        call = self._calls.get(it.stream)
        if call is None or call.handed_over:
            if it.stream > self._last or call is not None:
                raise Http2Error(frames.PROTOCOL, "data of no call")
            return  # what was refused still comes for a while
        call.room -= it.cost
        if call.room < 0:
            raise Http2Error(frames.FLOW_CONTROL, "more than there is room for")
        if padding := it.cost - len(it.payload):
            call.room += padding
            self._send(window(call.stream, padding))
        try:
            call.take(it.payload, self._door.limit)
        except ServingError as error:
            self.answer(call, error.canonical, error.text)
            return
        if call.missing and not call.waits:
            call.waits = True
            self._door.large(call)
        if it.flags & frames.END_STREAM:
            self._whole(call)

    def _whole(self, call: Call) -> None:
        call.handed_over = True
        self._door.ready(call)

    def _header_block(self, it: Frame) -> None:
        if block := self._headers.add(it):
            self._begin(*block)

    def _begin(self, stream: int, ended: bool, said: Mapping[str, str]) -> None:  # noqa: FBT001 - a Block
        """A call, or the end of one whose message came before."""
        if stream <= self._last:
            if ended and (call := self._calls.get(stream)) and not call.handed_over:
                self._whole(call)
            return
        if stream % 2 == 0:
            raise Http2Error(frames.PROTOCOL, "a stream with an even number")
        self._last = stream
        if self._leaving or len(self._calls) >= self._door.most_streams:
            self._send(frames.reset(stream, frames.REFUSED))
            return
        if said.get(":method") != "POST" or not said.get("content-type", "").startswith(CONTENT_TYPE):
            self._send(frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, calls.NOT_GRPC))
            return
        call = Call(self, stream, said, self._window.initial)
        if refused := self._door.begin(call):
            self._refuse(stream, *refused, ended=ended)
            return
        self._calls[stream] = call
        if ended:
            self._whole(call)

    def _settings(self, it: Frame) -> None:
        if it.flags & frames.ACK:
            self._headers.forget()
            return
        self._greeted = True
        for name, value in frames.pairs(it.payload):
            change = self._window.set(name, value)
            for call in self._calls.values() if change else ():
                call.window += change
        self._send(frame(frames.SETTINGS, frames.ACK, 0))
        self._pump_all()

    def _ping(self, it: Frame) -> None:
        if not it.flags & frames.ACK:
            self._send(frame(frames.PING, frames.ACK, 0, bytes(it.payload[: frames.PING_BYTES])))

    def _reset(self, it: Frame) -> None:
        if call := self._calls.get(it.stream):
            self._lose(call)

    def _more_window(self, it: Frame) -> None:
        more = frames.number(it.payload)
        if it.stream == 0:
            self._window.more(more)
            self._pump_all()
        elif call := self._calls.get(it.stream):
            call.window = frames.larger(call.window, more)
            if call.has_begun:
                self._pump(call)

    def _pump_all(self) -> None:
        for call in list(self._calls.values()):
            if call.has_begun and call.sent < len(call.unsent):
                self._pump(call)
