"""The gRPC port: gRPC's own client as it should be, and peers who do not keep to HTTP/2."""

import contextlib
import errno
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
import pytest

from binocular.errors import PortBusyError
from binocular.http2 import frames, headers
from binocular.http2.frames import END_HEADERS, END_STREAM, Frame, Frames, frame
from binocular.wire.codes import StatusCode
from binocular.wire.framing import PREFIX, framed
from serving.server import connection as connections
from serving.server.admission import Turns
from serving.server.calls import UNREAD_BYTES, Call
from serving.server.listening import Listening
from serving.server.status import ServingError
from tests.servers import free_port, wait_until

MB = 1 << 20
ECHO = headers.encode(
    {":method": "POST", ":scheme": "http", ":path": "/echo", "content-type": "application/grpc", "te": "trailers"}
)
BOTH = END_HEADERS | END_STREAM


@dataclass
class Echo:
    """A door behind which each message is its answer, in threads, when `open` is set."""

    limit: int = 64 * MB
    most_streams: int = 100
    open: threading.Event = field(default_factory=threading.Event)
    taken: int = 0
    over: int = 0
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open.set()
        self.long: Turns[Call] = Turns(
            2, lambda call: self.listening.soon(lambda: call.connection.give_room(call))
        )
        self.threads = ThreadPoolExecutor(8)
        self.listening = Listening(self)

    def begin(self, call: Call) -> tuple[StatusCode, str] | None:
        if call.path == "/full":
            return StatusCode.RESOURCE_EXHAUSTED, "zu voll: ünter 100 %"
        self.taken += 1
        self.calls.append(call)
        return None

    def large(self, call: Call) -> None:
        if self.long.want(call):
            call.connection.give_room(call)

    def ready(self, call: Call) -> None:
        self.threads.submit(self._answer, call)

    def end(self, call: Call) -> None:
        self.over += 1
        if call.waits:
            self.long.end(call)

    def _answer(self, call: Call) -> None:
        self.open.wait(30)
        try:
            call.connection.answer(call, StatusCode.OK, message=bytes(call.message(self.limit)))
        except ServingError as error:
            call.connection.answer(call, error.canonical, error.text)

    @property
    def is_quiet(self) -> bool:
        return self.taken == self.over


@dataclass
class Port:
    door: Echo
    number: int

    @contextlib.contextmanager
    def client(self, **options: int) -> Iterator[Any]:
        given = [(f"grpc.{name}", value) for name, value in options.items()]
        with grpc.insecure_channel(
            f"127.0.0.1:{self.number}", options=[*given, ("grpc.max_receive_message_length", -1)]
        ) as channel:
            yield channel.unary_unary("/echo")

    def answers(self) -> bool:
        with self.client() as ask:
            return bool(ask(b"still there?", timeout=20) == b"still there?")


@pytest.fixture
def port() -> Iterator[Port]:
    door, number = Echo(), free_port()
    door.listening.open("127.0.0.1", number)
    door.listening.start()
    yield Port(door, number)
    door.open.set()
    door.listening.stop(5)
    door.threads.shutdown()
    assert door.is_quiet


class Raw:
    """A peer that says what it likes."""

    def __init__(self, port: Port, *, greets: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port.number), timeout=20)
        self._frames = Frames(1 << 24)
        self._came: list[Frame] = []
        if greets:
            self.say(frames.PREFACE + frames.settings({}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def hear(self, kind: int) -> Frame:
        """The next frame of a kind."""
        while True:
            for number, each in enumerate(self._came):
                if each.kind == kind and not (kind == frames.SETTINGS and each.flags):
                    return self._came.pop(number)
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError
            found = self._frames.read(memoryview(data))
            self._came += [each._replace(payload=memoryview(bytes(each.payload))) for each in found]

    def is_let_go(self) -> bool:
        """Whether the server closes the connection."""
        with contextlib.suppress(ConnectionError):
            while self.socket.recv(1 << 16):
                pass
        return True


@pytest.mark.parametrize("size", [0, 1, 77_000, UNREAD_BYTES - 5, UNREAD_BYTES - 4, 5 * MB, 20 * MB])
def test_messages_of_any_size_are_taken_and_sent(port: Port, size: int) -> None:
    content = random.Random(size).randbytes(size)
    with port.client() as ask:
        for _ in range(2):
            assert ask(content, timeout=30) == content


def test_many_calls_at_once_on_one_connection_get_their_own_answers(port: Port) -> None:
    contents = [random.Random(n).randbytes(n * 3000) for n in range(90)]
    with port.client() as ask:
        asked = [ask.future(content, timeout=30) for content in contents]
        assert [each.result() for each in asked] == contents


@pytest.mark.parametrize("how", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_are_unpacked(port: Port, how: grpc.Compression) -> None:
    with port.client() as ask:
        assert ask(b"a" * MB, compression=how, timeout=20) == b"a" * MB


def test_a_message_that_unpacks_to_more_than_is_allowed_is_refused(port: Port) -> None:
    port.door.limit = MB
    with port.client() as ask, pytest.raises(grpc.RpcError) as error:
        ask(b"a" * (MB + 1), compression=grpc.Compression.Gzip, timeout=20)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_message_that_is_too_long_is_refused_unread(port: Port) -> None:
    port.door.limit = MB
    with port.client() as ask:
        with pytest.raises(grpc.RpcError, match=r"larger than max \(1048577 vs. 1048576\)") as error:
            ask(b"a" * (MB + 1), timeout=20)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ask(b"a" * MB, timeout=20) == b"a" * MB


def test_a_refusal_tells_its_words_whatever_letters_they_have(port: Port) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port.number}") as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/full")(b"a" * 100_000, timeout=20)
        assert error.value.details() == "zu voll: ünter 100 %"


def test_who_goes_away_is_noticed_while_the_answer_is_made(port: Port) -> None:
    port.door.open.clear()
    with port.client() as ask:
        asked = ask.future(b"a", timeout=20)
        wait_until(lambda: bool(port.door.calls) and port.door.calls[0].handed_over)
        asked.cancel()
        wait_until(lambda: port.door.calls[0].gone)
        assert not port.door.is_quiet  # somebody is still at work on it
        port.door.open.set()
        assert port.answers()
    wait_until(lambda: port.door.is_quiet)


def test_long_messages_take_turns_and_one_that_is_given_up_lets_the_next_come(port: Port) -> None:
    head = frame(frames.HEADERS, END_HEADERS, 1, ECHO) + frame(frames.DATA, 0, 1, PREFIX.pack(0, MB))
    with Raw(port) as first, Raw(port) as second, port.client() as ask:
        for each in (first, second):
            each.say(head)
            assert each.hear(frames.WINDOW).stream == 0
            assert each.hear(frames.WINDOW).stream == 1  # there is room for both of them
        waiting = ask.future(b"a" * MB, timeout=30)
        wait_until(lambda: len(port.door.calls) == 3 and port.door.calls[2].waits)
        first.socket.close()
        assert waiting.result() == b"a" * MB


def test_a_message_that_stops_coming_is_given_up(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALLED_S", 0.1)
    with Raw(port) as peer:
        peer.say(frame(frames.HEADERS, END_HEADERS, 1, ECHO), frame(frames.DATA, 0, 1, framed(b"abc")[:6]))
        told = headers.HeaderReader().read(bytes(peer.hear(frames.HEADERS).payload))
    assert told["grpc-status"] == str(StatusCode.CANCELLED.value)


def test_a_deadline_that_passes_before_the_message_came_ends_the_call(port: Port) -> None:
    timed = ECHO + headers.encode({"grpc-timeout": "10m"})
    with Raw(port) as peer:
        peer.say(frame(frames.HEADERS, END_HEADERS, 1, timed))
        told = headers.HeaderReader().read(bytes(peer.hear(frames.HEADERS).payload))
    assert told["grpc-status"] == str(StatusCode.DEADLINE_EXCEEDED.value)


def test_a_peer_that_never_greets_is_let_go(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "GREET_WITHIN_S", 0.1)
    with Raw(port, greets=False) as peer:
        assert peer.is_let_go()


def data_of_nothing() -> bytes:
    return frame(frames.DATA, 0, 7, b"abc")


HOSTILE = {
    "an older HTTP": (False, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "noise": (True, random.Random(1).randbytes(4000)),
    "data of no call": (True, data_of_nothing()),
    "a frame without end": (True, frames.HEAD.pack((1 << 24) - 1 << 8 | frames.DATA, 0, 1)),
    "headers without end": (
        True,
        frame(frames.HEADERS, 0, 1, ECHO) + 40 * frame(frames.CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 200),
    ),
    "headers that are none": (True, frame(frames.HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff")),
    "headers that go on from nothing": (True, frame(frames.CONTINUATION, END_HEADERS, 1, ECHO)),
    "headers cut by another frame": (True, frame(frames.HEADERS, 0, 1, ECHO) + frame(frames.PING, 0, 0, bytes(8))),
    "an even stream": (True, frame(frames.HEADERS, END_HEADERS, 2, ECHO)),
    "more padding than bytes": (True, frame(frames.DATA, frames.PADDED, 1, b"\x09abc")),
    "a window that grows by nothing": (True, frames.window(0, 0)),
    "a window that is too large": (True, frames.window(0, frames.LARGEST_WINDOW)),
    "half a setting": (True, frame(frames.SETTINGS, 0, 0, b"abc")),
    "frames of one byte": (True, frames.settings({frames.FRAME_SIZE: 1})),
    "a window of no size": (True, frames.settings({frames.INITIAL_WINDOW: 1 << 31})),
    "more than there is room for": (
        True,
        frame(frames.HEADERS, END_HEADERS, 1, ECHO)
        + frame(frames.DATA, 0, 1, PREFIX.pack(0, 10 * MB))
        + frame(frames.DATA, 0, 1, bytes(MB))
        + frame(frames.DATA, 0, 1, bytes(MB)),
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_who_does_not_keep_to_the_protocol_is_let_go_and_nobody_else_notices(port: Port, what: str) -> None:
    greets, data = HOSTILE[what]
    if what == "more than there is room for":  # no turn for it, so that it gets none
        port.door.long = Turns(0, lambda _: None)
    with Raw(port, greets=greets) as peer:
        with contextlib.suppress(ConnectionError):
            peer.say(data)
        assert peer.is_let_go()
    assert port.answers()


def test_calls_that_are_reset_at_once_take_nothing_from_others(port: Port) -> None:
    with Raw(port) as peer:
        for begin in range(1, 20_000, 200):
            peer.say(
                *(
                    frame(frames.HEADERS, END_HEADERS, stream, ECHO) + frames.reset(stream, frames.CANCEL)
                    for stream in range(begin, begin + 200, 2)
                )
            )
        assert port.answers()
    wait_until(lambda: port.door.is_quiet)


def test_more_calls_on_a_connection_than_were_allowed_are_sent_back(port: Port) -> None:
    port.door.open.clear()
    with Raw(port) as peer:
        for stream in range(1, 2 * port.door.most_streams + 3, 2):
            peer.say(
                frame(frames.HEADERS, END_HEADERS, stream, ECHO),
                frame(frames.DATA, END_STREAM, stream, framed(b"")),
            )
        refused = peer.hear(frames.RESET)
        assert (refused.stream, frames.number(refused.payload)) == (2 * port.door.most_streams + 1, frames.REFUSED)
        port.door.open.set()


def test_who_does_not_read_is_not_read(port: Port) -> None:
    with Raw(port) as peer:
        pings = frame(frames.PING, 0, 0, bytes(8)) * 3_000_000
        peer.socket.settimeout(2)
        with pytest.raises(TimeoutError):
            peer.say(pings)
        assert port.answers()
        peer.socket.settimeout(20)
        assert peer.hear(frames.PING).flags == frames.ACK


def test_an_answer_goes_on_as_the_peer_makes_room(port: Port) -> None:
    with Raw(port, greets=False) as peer:
        peer.say(frames.PREFACE, frames.settings({frames.INITIAL_WINDOW: 10}))
        body = framed(b"0123456789" * 5)
        peer.say(frame(frames.HEADERS, END_HEADERS, 1, ECHO), frame(frames.DATA, END_STREAM, 1, body))
        came = bytes(peer.hear(frames.DATA).payload)
        assert came == body[:10]
        peer.say(frames.settings({frames.INITIAL_WINDOW: 15}))
        came += bytes(peer.hear(frames.DATA).payload)
        assert came == body[:15]
        peer.say(frames.window(1, 1000))
        came += bytes(peer.hear(frames.DATA).payload)
        assert came == body
        peer.hear(frames.HEADERS)
        assert peer.hear(frames.HEADERS).flags == BOTH


def test_padding_takes_no_room_from_the_message(port: Port) -> None:
    content, body = bytes(3000), framed(bytes(3000))
    with Raw(port) as peer:
        peer.say(frame(frames.HEADERS, END_HEADERS, 1, ECHO))
        for at in range(0, len(body), 10):
            last = END_STREAM if at + 10 >= len(body) else 0
            padded = b"\xff" + body[at : at + 10] + bytes(255)
            peer.say(frame(frames.DATA, frames.PADDED | last, 1, padded))
        assert bytes(peer.hear(frames.DATA).payload) == framed(content)


def test_the_end_answers_calls_in_flight_and_sends_newcomers_elsewhere(port: Port) -> None:
    port.door.open.clear()
    with Raw(port) as peer, port.client() as ask:
        asked = ask.future(b"a", timeout=20)
        peer.say(frame(frames.HEADERS, END_HEADERS, 1, ECHO))
        wait_until(lambda: len(port.door.calls) == 2 and any(each.handed_over for each in port.door.calls))
        ending = threading.Thread(target=port.door.listening.stop, args=(10,))
        ending.start()
        assert struct.unpack(">I", peer.hear(frames.GOAWAY).payload[:4]) == (1,)
        peer.say(frame(frames.HEADERS, END_HEADERS, 3, ECHO))
        assert frames.number(peer.hear(frames.RESET).payload) == frames.REFUSED
        peer.say(frame(frames.DATA, END_STREAM, 1, framed(b"b")))
        port.door.open.set()
        assert bytes(peer.hear(frames.DATA).payload) == framed(b"b")
        assert asked.result() == b"a"
        ending.join(10)
        assert not ending.is_alive()
        assert peer.is_let_go()


def test_without_room_for_another_connection_the_others_are_answered(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    with port.client() as ask:
        assert ask(b"a", timeout=20) == b"a"
        accept, refusals = socket.socket.accept, iter(range(3))

        def full(listener: socket.socket) -> Any:
            if next(refusals, None) is not None:
                raise OSError(errno.EMFILE, "Too many open files")
            return accept(listener)

        monkeypatch.setattr(socket.socket, "accept", full)
        with Raw(port) as peer:
            assert ask(b"b", timeout=20) == b"b"
            assert peer.hear(frames.SETTINGS)  # as soon as there is room


def test_a_fuzzed_conversation_ends_nothing_but_itself(port: Port) -> None:
    chance = random.Random(7)
    good = (
        frames.PREFACE
        + frames.settings({frames.INITIAL_WINDOW: 1 << 20})
        + frame(frames.HEADERS, END_HEADERS, 1, ECHO)
        + frame(frames.DATA, END_STREAM, 1, framed(b"abc" * 50))
        + frame(frames.PING, 0, 0, bytes(8))
        + frame(frames.HEADERS, END_HEADERS, 3, ECHO)
        + frames.window(3, 5)
        + frames.reset(3, frames.CANCEL)
    )
    for _ in range(300):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(24, len(data))] = chance.randrange(256)
        with Raw(port, greets=False) as peer, contextlib.suppress(ConnectionError):
            peer.say(bytes(data))
    assert port.answers()
    wait_until(lambda: port.door.is_quiet)


def test_a_socket_that_nobody_listens_on_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "grpc.sock"
    for _ in range(2):
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(path))
        dead.close()
        door = Echo()
        door.listening.open_path(path)
        door.listening.start()
        with grpc.insecure_channel(f"unix:{path}") as channel:
            assert channel.unary_unary("/echo")(b"a", timeout=20) == b"a"
        other = Echo()
        with pytest.raises(PortBusyError, match="--grpc_socket_path"):
            other.listening.open_path(path)
        for each in (door, other):
            each.listening.stop(5)
            each.threads.shutdown()
        assert not path.exists()


def test_an_idle_server_ends_at_once(port: Port) -> None:
    with port.client() as ask:
        assert ask(b"a", timeout=20) == b"a"
        began = time.monotonic()
        port.door.listening.stop(20)
        assert time.monotonic() - began < 5
