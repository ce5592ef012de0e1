"""Calls of the gateway to gRPC's own server, the one in TensorFlow Serving, and to what is no server at all."""

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
import pytest

from binocular.http2 import frames
from binocular.http2.frames import frame
from binocular.http2.headers import encode
from binocular.wire.codes import StatusCode
from binocular.wire.framing import PREFIX
from gateway import channel as channels
from gateway import connection as connections
from gateway.channel import Channel, timeout
from gateway.connection import Connection
from gateway.reply import MOST_BYTES, CallError
from tests.grpc_server import Answer, GrpcServer
from tests.servers import free_port, wait_until

ECHO, SIZE, FAIL, SLEEP, LARGE, LEFT, WHO = (
    f"/test.Test/{name}" for name in ("Echo", "Size", "Fail", "Sleep", "Large", "Left", "Who")
)
TEXT = "kein Modell „müll“: 100 %\nZeile"
PATIENCE_S = 30
CLIENTS = 8


def answers(name: str = "") -> dict[str, Answer]:
    return {
        ECHO: lambda message, _: message,
        SIZE: lambda message, _: str(len(message)).encode(),
        FAIL: fail,
        LARGE: lambda message, _: bytes(int(message)),
        LEFT: lambda _, context: str(context.time_remaining()).encode(),
        WHO: lambda _, __: name.encode(),
    }


def fail(message: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(getattr(grpc.StatusCode, message.decode()), TEXT)
    return b""


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcServer]:
    with GrpcServer(answers()) as server:
        yield server


@contextlib.contextmanager
def channel_to(*servers: GrpcServer | str) -> Iterator[Channel]:
    channel = Channel(",".join(each if isinstance(each, str) else each.address for each in servers))
    try:
        yield channel
    finally:
        channel.close()


@pytest.fixture
def channel(server: GrpcServer) -> Iterator[Channel]:
    with channel_to(server) as channel:
        yield channel


def ask(channel: Channel, path: str, message: bytes = b"", timeout_s: float = PATIENCE_S) -> bytes:
    return channel.call(path, [message], timeout_s)


def refusal(channel: Channel, path: str, message: bytes = b"", timeout_s: float = PATIENCE_S) -> CallError:
    with pytest.raises(CallError) as refused:
        ask(channel, path, message, timeout_s)
    return refused.value


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_384, 65_530, 65_531, 77_000, 5_000_000])
def test_what_is_sent_arrives_and_comes_back(channel: Channel, size: int) -> None:
    message = (bytes(range(251)) * (size // 251 + 1))[:size]
    for _ in range(3):
        assert ask(channel, ECHO, message) == message


def test_a_message_far_larger_than_the_windows_arrives(channel: Channel) -> None:
    assert ask(channel, SIZE, bytes(20_000_000)) == b"20000000"
    assert ask(channel, ECHO, b"again") == b"again"


def test_a_message_may_come_in_pieces(channel: Channel) -> None:
    assert channel.call(ECHO, (b"he", memoryview(b"ll"), b"", b"o"), PATIENCE_S) == b"hello"


def test_an_answer_may_be_large_but_not_huge(channel: Channel) -> None:
    for _ in range(100):  # together more than the window of a connection begins with
        assert len(ask(channel, LARGE, b"5000000")) == 5_000_000
    assert refusal(channel, LARGE, str(MOST_BYTES + 1).encode()).canonical is StatusCode.RESOURCE_EXHAUSTED
    assert len(ask(channel, LARGE, str(MOST_BYTES).encode())) == MOST_BYTES


def test_a_server_may_go_on_when_what_it_sent_has_been_read(
    server: GrpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = frames.PREFACE + frames.settings({frames.INITIAL_WINDOW: frames.LARGEST_WINDOW})
    monkeypatch.setattr(connections, "_GREETING", small)
    monkeypatch.setattr(connections, "_HALF", frames.WINDOW_BYTES // 2)
    with channel_to(server) as channel:
        for _ in range(3):
            assert len(ask(channel, LARGE, b"1000000")) == 1_000_000


@pytest.mark.parametrize("code", [each for each in StatusCode if each is not StatusCode.OK])
def test_a_refusal_arrives_with_its_code_and_text(channel: Channel, code: StatusCode) -> None:
    refused = refusal(channel, FAIL, code.name.encode())
    assert (refused.canonical, str(refused)) == (code, TEXT)
    assert ask(channel, ECHO, b"x") == b"x"


def test_a_method_that_is_not_there_is_unimplemented(channel: Channel) -> None:
    assert refusal(channel, "/test.Test/None").canonical is StatusCode.UNIMPLEMENTED


def test_a_message_that_a_server_finds_too_large_is_refused_before_all_of_it_is_sent() -> None:
    with (
        GrpcServer(answers(), options={"grpc.max_receive_message_length": 1000}) as server,
        channel_to(server) as channel,
    ):
        for _ in range(3):
            assert refusal(channel, SIZE, bytes(5_000_000)).canonical is StatusCode.RESOURCE_EXHAUSTED
            assert ask(channel, ECHO, b"x") == b"x"


def test_the_server_is_told_how_long_somebody_waits(channel: Channel) -> None:
    assert 4 < float(ask(channel, LEFT, timeout_s=5)) <= 5
    assert 50 < float(ask(channel, LEFT, timeout_s=59.99)) <= 60
    assert float(ask(channel, LEFT, timeout_s=1e9)) > 10_000


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (5, "5000m"),
        (4.991, "5000m"),
        (0.0123, "13m"),
        (0, "1m"),
        (-1, "1m"),
        (1.23, "1300m"),
        (99_999, "100000000m"),
    ],
)
def test_times_are_told_in_few_words(seconds: float, told: str) -> None:
    assert timeout(seconds) == told


def test_who_does_not_answer_in_time_is_given_up_and_told_so() -> None:
    gone = threading.Event()

    def sleep(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.add_callback(gone.set)
        assert gone.wait(PATIENCE_S)
        return b""

    with GrpcServer({**answers(), SLEEP: sleep}) as server, channel_to(server) as channel:
        began = time.monotonic()
        assert refusal(channel, SLEEP, timeout_s=0.3).canonical is StatusCode.DEADLINE_EXCEEDED
        assert 0.25 < time.monotonic() - began < 5
        assert gone.wait(PATIENCE_S)
        assert ask(channel, ECHO, b"x") == b"x"


def test_a_server_that_comes_back_is_asked_again_at_once() -> None:
    with GrpcServer(answers("first")) as first, channel_to(first) as channel:
        with ThreadPoolExecutor(CLIENTS) as pool:  # several connections, which all break
            assert set(pool.map(lambda _: ask(channel, WHO), range(100))) == {b"first"}
        first.stop()
        with GrpcServer(answers("second"), first.port):
            assert ask(channel, WHO) == b"second"


def test_without_a_server_it_is_said_at_once_and_who_comes_is_found() -> None:
    port = free_port()
    with channel_to(f"127.0.0.1:{port}") as channel:
        began = time.monotonic()
        assert refusal(channel, WHO).canonical is StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 5
        with GrpcServer(answers("late"), port):
            assert ask(channel, WHO) == b"late"


@pytest.mark.parametrize("address", ["nowhere.invalid:1", "127.0.0.1:99999", "x" * 70 + ".example:80"])
def test_an_address_that_leads_nowhere_is_unavailable(address: str) -> None:
    with channel_to(address) as channel:
        for _ in range(2):
            assert refusal(channel, WHO).canonical is StatusCode.UNAVAILABLE


@pytest.mark.skipif(not socket.has_ipv6, reason="a machine without IPv6")
def test_an_address_may_be_of_the_sixth_version() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback")
    with GrpcServer(answers(), host="[::1]") as server, channel_to(f"[::1]:{server.port}") as channel:
        assert ask(channel, ECHO, b"six") == b"six"


def test_several_servers_share_the_calls() -> None:
    with GrpcServer(answers("a")) as a, GrpcServer(answers("b")) as b, channel_to(a, b) as channel:
        with ThreadPoolExecutor(CLIENTS) as pool:
            found = Counter(pool.map(lambda _: ask(channel, WHO), range(400)))
        assert found.total() == 400
        assert min(found[b"a"], found[b"b"]) >= 180


def noted(opened: list[object]) -> Any:
    """What opens connections, and notes each."""
    whole = Connection.open

    def open_(*said: Any) -> Connection:
        opened.append(said)
        return whole(*said)

    return open_


def test_a_name_is_looked_up_again_and_what_is_known_outlives_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.servers.LOOKED_UP_S", 0)
    monkeypatch.setattr("gateway.servers.DOUBTED_S", 0)
    known: list[int] = []
    really = socket.getaddrinfo

    def look_up(host: str, port: str, **more: Any) -> Any:
        assert (host, port) == ("models", "8500")
        if not known:
            raise socket.gaierror("no such name")
        return [each for number in known for each in really("127.0.0.1", number, **more)]

    monkeypatch.setattr("gateway.servers.socket.getaddrinfo", look_up)
    with GrpcServer(answers("a")) as a, GrpcServer(answers("b")) as b, channel_to("models:8500") as channel:
        assert refusal(channel, WHO).canonical is StatusCode.UNAVAILABLE
        for ports, names in (
            ([a.port], {b"a"}),
            ([a.port, b.port], {b"a", b"b"}),
            ([b.port], {b"b"}),
            ([], {b"b"}),
        ):
            known[:] = ports
            assert {ask(channel, WHO) for _ in range(6)} == names


def test_a_look_up_that_takes_long_keeps_nobody_who_knows_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.servers.LOOKED_UP_S", 0.1)
    monkeypatch.setattr("gateway.servers.REACHED_S", 1.0)
    answers_now, really = threading.Event(), socket.getaddrinfo
    port = free_port()

    def look_up(_host: str, _port: str, **more: Any) -> Any:
        answers_now.wait()
        return really("127.0.0.1", port, **more)

    def seconds(asked: Channel) -> float:
        began = time.monotonic()
        assert ask(asked, WHO) == b"a"
        return time.monotonic() - began

    monkeypatch.setattr("gateway.servers.socket.getaddrinfo", look_up)
    with GrpcServer(answers("a"), port), channel_to("models:8500") as channel:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(CallError, match="look-up of the name takes too long") as refused:
                channel.call(WHO, [b""], 0.3)
            assert refused.value.canonical is StatusCode.DEADLINE_EXCEEDED
            assert 0.3 <= time.monotonic() - began < 5
        answers_now.set()
        seconds(channel)
        answers_now.clear()
        time.sleep(0.2)  # until what is known is too old
        took = sorted(seconds(channel) for _ in range(20))
        assert took[-2] < 0.5  # who has it looked up waits a moment, nobody else
        answers_now.set()


class Clients:
    """Many who ask without a pause; who answered them, and what did not go well."""

    def __init__(self, channel: Channel, path: str = WHO) -> None:
        self._channel, self._path, self._over = channel, path, threading.Event()
        self.answered: Counter[bytes] = Counter()
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                self.answered[ask(self._channel, self._path)] += 1
            except CallError as error:
                self.failed.append(f"{error.canonical}: {error}")

    def more(self, of: bytes, calls: int = 100) -> None:
        """Wait for more answers."""
        enough = self.answered[of] + calls
        wait_until(lambda: self.answered[of] >= enough)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_a_server_that_goes_and_comes_back_is_noticed_by_nobody() -> None:
    port = free_port()
    with GrpcServer(answers("b")) as b, channel_to(f"127.0.0.1:{port}", b) as channel:
        with Clients(channel) as clients:
            for _ in range(3):
                with GrpcServer(answers("a"), port) as a:
                    clients.more(b"a")
                    a.stop(grace_s=PATIENCE_S)
                    clients.more(b"b")
        assert clients.failed == []


def test_a_server_that_limits_the_age_of_connections_fails_no_call() -> None:
    old = {"grpc.max_connection_age_ms": 200, "grpc.max_connection_age_grace_ms": 1000}
    opened: list[object] = []

    with (
        GrpcServer(answers("a"), options=old) as server,
        channel_to(server) as channel,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(Connection, "open", noted(opened))
        with Clients(channel) as clients:
            wait_until(lambda: len(opened) > 5 * CLIENTS)
    assert clients.failed == []
    assert clients.answered[b"a"] > 0


def test_connections_are_kept_and_used_again(server: GrpcServer, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr(Connection, "open", noted(opened))
    with channel_to(server) as channel:
        for _ in range(20):
            ask(channel, ECHO, b"x")
        assert len(opened) == 1
        monkeypatch.setattr("gateway.servers.IDLE_S", 0)
        ask(channel, ECHO, b"x")
        assert len(opened) == 2


def test_the_numbers_of_streams_do_not_run_out(server: GrpcServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.connection.LAST_STREAM", 7)
    with channel_to(server) as channel:
        for _ in range(30):
            assert ask(channel, ECHO, b"x") == b"x"


def test_a_channel_that_nobody_closes_leaves_nothing_open(server: GrpcServer) -> None:
    channel = Channel(server.address)
    ask(channel, ECHO, b"x")
    circle: list[object] = [channel]
    circle.append(circle)  # as in an application: the warning of a socket left open would be an error


# What follows is no gRPC server.

HEADERS = encode({":status": "200", "content-type": "application/grpc"})
GREETING = frames.settings({}) + frame(frames.SETTINGS, frames.ACK, 0)


class Stranger:
    """Accepts connections, and says to each what it likes once something came; or nothing."""

    def __init__(self, *says: bytes, closes: bool = False) -> None:
        self._says, self._closes = says, closes
        self.accepted = 0
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                accepted.settimeout(PATIENCE_S)
                self.accepted += 1
                self._open.append(accepted)
                with contextlib.suppress(OSError):
                    self._talk(accepted)

    def _talk(self, accepted: socket.socket) -> None:
        for each in self._says:
            accepted.recv(1 << 16)
            accepted.sendall(each)
        if self._closes:
            accepted.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in self._open:
            each.close()


def data(body: bytes, flags: int = 0) -> bytes:
    return frame(frames.DATA, flags, 1, body)


def headers(block: bytes, flags: int = 0) -> bytes:
    return frame(frames.HEADERS, frames.END_HEADERS | flags, 1, block)


BOMB = b"\x40\x01a" + b"\x7f\xe0\x17" + b"x" * 3167 + b"\xbe" * 12_000
END = frames.END_STREAM
SAYS: dict[str, tuple[bytes, ...]] = {
    "HTTP/1.1": (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",),
    "a short word": (b"no",),
    "zeros": (bytes(100_000),),
    "noise": (bytes((n * 7919 + n * n) % 256 for n in range(100_000)),),
    "settings that make no sense": (frame(frames.SETTINGS, 0, 0, b"12345"),),
    "a window without an end": (GREETING + frames.window(0, frames.LARGEST_WINDOW),),
    "nothing after the settings": (GREETING,),
    "noise after the settings": (GREETING, bytes(range(1, 256)) * 400),
    "a huge frame": (GREETING, frames.HEAD.pack(0xFFFFFF << 8 | frames.DATA, 0, 1)),
    "an answer without headers": (GREETING, data(b"x", END)),
    "no headers in the headers": (GREETING, headers(b"")),
    "an error page": (GREETING, headers(encode({":status": "503"})) + data(b"<html>" * 100, END)),
    "a huge answer": (GREETING, headers(HEADERS) + data(PREFIX.pack(0, 1 << 31) + bytes(9000))),
    "a compressed answer": (GREETING, headers(HEADERS) + data(b"\1\0\0\0\1x")),
    "half an answer": (GREETING, headers(HEADERS) + data(b"\0\0\0\0\3x", END)),
    "an answer that stops": (GREETING, headers(HEADERS) + data(b"\0\0\0\0\3x")),
    "an answer to something else": (GREETING, frame(frames.HEADERS, frames.END_HEADERS, 9, HEADERS)),
    "headers that unpack to huge ones": (GREETING, headers(BOMB)),
    "headers that nobody can read": (GREETING, headers(b"\xff" * 50)),
    "headers without an end": (
        GREETING,
        frame(frames.HEADERS, 0, 1, HEADERS) + frame(frames.CONTINUATION, 0, 1, bytes(9000)) * 10,
    ),
    "a frame amid headers": (GREETING, frame(frames.HEADERS, 0, 1, HEADERS) + data(b"x")),
    "headers that go on without a beginning": (
        GREETING,
        frame(frames.CONTINUATION, frames.END_HEADERS, 1, HEADERS),
    ),
    "a push": (GREETING, frame(frames.PUSH, frames.END_HEADERS, 1, b"\0\0\0\2" + HEADERS)),
    "a short farewell": (GREETING, frame(frames.GOAWAY, 0, 0, b"\0")),
    "a refusal": (GREETING, frames.reset(1, frames.REFUSED)),
    "a farewell before it began": (GREETING + frames.goaway(0, frames.NO_ERROR),),
    "pings without an end": (GREETING, frame(frames.PING, 0, 0, b"12345678") * 20_000),
}


@pytest.mark.parametrize("closes", [False, True], ids=["stays", "closes"])
@pytest.mark.parametrize("says", SAYS.values(), ids=SAYS.keys())
def test_whatever_a_stranger_says_the_call_ends_in_time_and_says_how(
    says: tuple[bytes, ...], *, closes: bool
) -> None:
    with Stranger(*says, closes=closes) as stranger, channel_to(stranger.address) as channel:
        began = time.monotonic()
        for _ in range(2):
            assert refusal(channel, ECHO, b"x", timeout_s=0.3).canonical is not StatusCode.OK
        assert time.monotonic() - began < 5


def test_who_accepts_and_says_nothing_is_given_up_in_time() -> None:
    with Stranger() as stranger, channel_to(stranger.address) as channel:
        began = time.monotonic()
        assert refusal(channel, ECHO, timeout_s=0.3).canonical is StatusCode.DEADLINE_EXCEEDED
        assert 0.25 < time.monotonic() - began < 5


def test_who_reads_nothing_of_a_large_message_is_given_up_in_time() -> None:
    wide = frames.settings({frames.INITIAL_WINDOW: 1 << 30}) + frames.window(0, 1 << 30)
    with Stranger(wide) as stranger, channel_to(stranger.address) as channel:
        assert refusal(channel, ECHO, bytes(30_000_000), timeout_s=0.5).canonical is StatusCode.DEADLINE_EXCEEDED


def test_who_cannot_be_reached_hardly_delays_the_call_where_there_is_another(
    server: GrpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.servers.REACHED_S", 1.0)
    monkeypatch.setattr(channels, "REACHED_S", 0.2)
    with Stranger() as stranger, channel_to(stranger.address, server) as channel:
        began = time.monotonic()
        for _ in range(50):
            assert ask(channel, ECHO, b"x") == b"x"
        assert time.monotonic() - began < 5
        assert stranger.accepted < 10


@pytest.mark.parametrize("says", [frames.reset(1, frames.REFUSED), frames.goaway(0, frames.NO_ERROR)])
def test_a_call_that_every_server_turns_away_is_not_asked_for_ever(says: bytes) -> None:
    with Stranger(GREETING, says) as stranger, channel_to(stranger.address) as channel:
        assert refusal(channel, ECHO, b"x").canonical is StatusCode.UNAVAILABLE
        assert stranger.accepted == channels.MOST_TRIES


def test_a_call_that_breaks_connections_is_not_asked_more_than_twice() -> None:
    with Stranger(GREETING, b"", closes=True) as stranger, channel_to(stranger.address) as channel:
        assert refusal(channel, ECHO, b"x").canonical is StatusCode.UNAVAILABLE
        assert stranger.accepted == 2
