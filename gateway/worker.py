"""Gunicorn's worker with threads, which takes no more than its share, and waits for no request for ever.

Connections stay open, and the worker that wakes up first would take all that come at once: one core would then
work while another rests. And a client that sends a byte now and then would hold a thread for as long as it likes.
"""

import contextlib
import ctypes
import mmap
import select
import socket
import time
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker

from gateway.line import has_waited

# Of malloc.h: how many heaps there are, and from which size on memory is the system's again once it is free.
# What a common photo takes is kept: to get it anew for each costs a quarter of decoding.
M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -8, -3, -1
HEAPS, LARGE_BYTES = 2, 4 << 20
LOOK_EVERY_S = 1.0
AT_ONCE = 16
# A client in a hurry asks again within this time. The way through the main thread costs as much as decoding.
MOMENT_MS = 5
# How often a worker that has more connections than another looks whether that one takes the next, and how long it
# waits before each look: not long, since the other may be stuck.
GLANCES, GLANCE_S = 10, 0.0005


class Shares:
    """How many connections each worker has, where all workers see it. A worker's number is its `age`."""

    # More than there are workers at a time, the old and the new ones of a reload.
    PLACES: Final = 256

    def __init__(self) -> None:
        # Of workers that take connections, one more than they have; zero of others. It is shared with forks.
        self._held = memoryview(mmap.mmap(-1, 4 * self.PLACES)).cast("i")

    def tell(self, worker: int, connections: int) -> None:
        """It has so many, and takes more."""
        self._held[worker % self.PLACES] = 1 + connections

    def leave(self, worker: int) -> None:
        """It takes no more."""
        self._held[worker % self.PLACES] = 0

    def least(self) -> int:
        """The fewest that any has."""
        return min((held - 1 for held in self._held if held), default=0)


SHARES = Shares()


class Worker(ThreadWorker):  # type: ignore[misc]
    """Takes its share of connections, and stops listening to a client whose request has not arrived in time; what
    has arrived is answered.
    """

    receive_s = 60.0  # of the settings, as `serving.py` says

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - gunicorn's
        super().__init__(*arguments, **named)
        self._begun: dict[Any, float] = {}
        self._looked = 0.0

    @property
    def nr_conns(self) -> int:
        """Connections that it has; gunicorn counts them."""
        return self._connections

    @nr_conns.setter
    def nr_conns(self, count: int) -> None:
        self._connections = count
        if self.booted and self.alive:
            SHARES.tell(self.age, count)
        else:
            SHARES.leave(self.age)

    def init_process(self) -> None:
        """In the process of its own, before it serves."""
        _give_memory_back()
        super().init_process()

    def run(self) -> None:
        """Serve until it is to end."""
        SHARES.tell(self.age, 0)
        super().run()

    def accept(self, listener: Any) -> None:  # noqa: ANN401 - gunicorn's
        """Take in those who stand outside, not just the first: how long they wait is only known inside."""
        glances = GLANCES
        for _ in range(AT_ONCE):
            while self.nr_conns > SHARES.least() and glances:
                glances -= 1
                time.sleep(GLANCE_S)
                if not _has_data(listener, 0):
                    return
            before = self.nr_conns
            if before < self.worker_connections:
                super().accept(listener)
            if self.nr_conns == before:
                return

    def enqueue_req(self, conn: Any) -> None:  # noqa: ANN401 - gunicorn's
        """A connection that has something to say, on its way to a thread."""
        conn.enqueued_at = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - gunicorn's
        """A request, in a thread, from its first byte to its answer."""
        while True:
            self._begun[conn] = now = time.monotonic()
            has_waited(now - conn.enqueued_at)
            try:
                again = super().handle(conn)
            finally:
                del self._begun[conn]
            if again is not True or not self.alive or not _says_more(conn):
                return again
            conn.enqueued_at = time.monotonic()

    def notify(self) -> None:
        """Called by the main thread every second or more often."""
        super().notify()
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        for conn, begun in list(self._begun.items()):
            if now - begun > self.receive_s:
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)


def _give_memory_back() -> None:
    """Let what a large photo took go back to the system: the C library would keep it, thread by thread."""
    with contextlib.suppress(AttributeError):  # not the GNU C library
        options = ctypes.CDLL(None).mallopt
        for name, value in (
            (M_ARENA_MAX, HEAPS),
            (M_MMAP_THRESHOLD, LARGE_BYTES),
            (M_TRIM_THRESHOLD, LARGE_BYTES),
        ):
            options(name, value)


def _says_more(conn: Any) -> bool:  # noqa: ANN401 - gunicorn's
    """Whether the next request is there, or comes within a moment: then nobody else needs to look out for it."""
    if conn.parser.unreader.buf.getvalue():
        return True
    return _has_data(conn.sock, MOMENT_MS)


def _has_data(socket_: Any, within_ms: int) -> bool:  # noqa: ANN401 - a listener of gunicorn's, or a socket
    poll = select.poll()
    poll.register(socket_, select.POLLIN)
    return bool(poll.poll(within_ms))
