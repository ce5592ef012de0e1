"""The sockets of the gRPC port: one thread that waits for all of them, takes peers in, and reads what they send.

    listening = Listening(door)
    listening.open("127.0.0.1", 8500)     # PortBusyError where somebody else has the address
    listening.start()
    listening.stop(grace_s=20)            # calls in flight are answered

Calls are answered by other threads; this one never waits for anything but the sockets.
"""

import contextlib
import errno
import logging
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from binocular.errors import PortBusyError
from serving.server.connection import Connection, Door

log = logging.getLogger(__name__)

BUFFER_BYTES: Final = 256 << 10
BACKLOG: Final = 1024
TICK_S: Final = 0.5
# Where no more can be taken in, for want of file descriptors: how long until the next attempt.
PAUSE_S: Final = 0.2
# How long peers get to close their side when everything was sent.
GOODBYE_S: Final = 0.2
READS, WRITES = select.EPOLLIN, select.EPOLLOUT
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listening:
    """Listens on addresses, for a door behind which calls are answered."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._epoll = select.epoll()
        self._listeners: dict[int, socket.socket] = {}
        self._paths: list[Path] = []
        self._peers: dict[int, Connection] = {}
        self._soon: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, READS)
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._thread = threading.Thread(target=self._run, name="grpc", daemon=True)
        self._ends_at: float | None = None
        self._says_goodbye = False
        self._looked = self._paused_until = 0.0

    def open(self, host: str, port: int) -> None:
        """Listen on a port of all addresses of a host."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in found:
                listener = socket.socket(family, kind, protocol)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                self._listen(listener, address)
        except OSError as error:
            raise PortBusyError(f"cannot listen on {host}:{port} (--host, --port): {error}") from None

    def open_path(self, path: Path) -> None:
        """Listen on a UNIX socket; one that nobody listens on any more is replaced."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if _is_dead(path):
                path.unlink(missing_ok=True)
            self._listen(listener, str(path))
        except OSError as error:
            raise PortBusyError(f"cannot listen on {path} (--grpc_socket_path): {error}") from None
        self._paths.append(path)

    def _listen(self, listener: socket.socket, address: object) -> None:
        try:
            listener.bind(address)  # type: ignore[arg-type]
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        listener.settimeout(0)
        self._listeners[listener.fileno()] = listener
        self._epoll.register(listener, READS)

    def start(self) -> None:
        """Take peers in from now on."""
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Take nobody in any more, and give the calls that are here this long."""

        def leave() -> None:
            self._ends_at = time.monotonic() + grace_s
            self._close_listeners()
            for peer in self._peers.values():
                peer.leave()

        if not self._thread.is_alive():
            self._close_listeners()
            return
        self.soon(leave)
        self._thread.join()

    def soon(self, what: Callable[[], None]) -> None:
        """Have something done by this thread, which holds nothing that others wait for."""
        self._soon.append(what)
        os.eventfd_write(self._wake, 1)

    def watch(self, connection: Connection, *, reads: bool, writes: bool) -> None:
        """Wake a connection where there is something to read, or room to write."""
        with contextlib.suppress(OSError, ValueError):  # it may be closed already, or not be known yet
            self._epoll.modify(connection.socket.fileno(), READS * reads | WRITES * writes)

    def _run(self) -> None:
        try:
            while not self._is_over():
                for file, events in self._epoll.poll(TICK_S if self._ends_at is None else GOODBYE_S):
                    self._happened(file, events)
                self._now_and_then()
        finally:
            for file in list(self._peers):
                self._drop(file)

    def _is_over(self) -> bool:
        if self._ends_at is None:
            return False
        now = time.monotonic()
        if not self._says_goodbye and all(peer.idle for peer in self._peers.values()):
            # A connection that is closed while something is unread takes with it what was not delivered yet.
            self._says_goodbye, self._ends_at = True, min(self._ends_at, now + GOODBYE_S)
            for peer in self._peers.values():
                peer.say_goodbye()
        return now > self._ends_at or (self._says_goodbye and not self._peers)

    def _happened(self, file: int, events: int) -> None:
        if file == self._wake:
            os.eventfd_read(self._wake)
            while self._soon:
                self._soon.popleft()()
        elif file in self._listeners:
            self._accept(self._listeners[file])
        elif peer := self._peers.get(file):
            try:
                if events & WRITES:
                    peer.flush()
                lives = not events & ~WRITES or peer.read(self._buffer)
            except Exception:
                log.exception("a connection is given up for a reason that is ours")
                lives = False
            if not lives:
                self._drop(file)

    def _accept(self, listener: socket.socket) -> None:
        try:
            peer, _ = listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:
                log.warning("no more connections can be taken in", extra={"why": error.strerror})
                self._paused_until = time.monotonic() + PAUSE_S
                for each in self._listeners.values():
                    self._epoll.modify(each, 0)
            return
        peer.settimeout(0)
        if peer.family != socket.AF_UNIX:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._epoll.register(peer, READS)
        self._peers[peer.fileno()] = Connection(peer, self._door, self)

    def _now_and_then(self) -> None:
        now = time.monotonic()
        if self._paused_until and now > self._paused_until:
            self._paused_until = 0.0
            for each in self._listeners.values():
                self._epoll.modify(each, READS)
        if now - self._looked < TICK_S:
            return
        self._looked = now
        for file, peer in list(self._peers.items()):
            if not peer.look(now):
                self._drop(file)

    def _drop(self, file: int) -> None:
        peer = self._peers.pop(file)
        with contextlib.suppress(OSError):
            self._epoll.unregister(file)
        peer.close()

    def _close_listeners(self) -> None:
        for file, listener in self._listeners.items():
            with contextlib.suppress(OSError):
                self._epoll.unregister(file)
            listener.close()
        self._listeners.clear()
        for path in self._paths:
            path.unlink(missing_ok=True)
        self._paths.clear()


def _is_dead(path: Path) -> bool:
    """Whether a socket is there that nobody listens on."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED
