"""The servers behind an address: who they are, whose turn it is, and the connections to each that wait for a call.

    servers = Servers("models:8500")          # or several, "a:8500,b:8500"
    server = servers.next(set(), until)       # None where all have been tried
    connection = server.connection(until)     # ... a call ...
    server.give_back(connection)

A name may stand for several servers, as that of a Service without an address of its own does. It is looked up
again from time to time, and soon after a server could not be reached. Whoever asks names may answer when it likes:
a thread waits for that, and callers go on with what is known.
"""

import socket
import threading
import time
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

from binocular.errors import Http2Error
from binocular.wire.codes import StatusCode
from gateway.connection import Connection, LateError
from gateway.reply import CallError

# How old what is known of a name may become; and how old, once a server could not be reached.
LOOKED_UP_S: Final = 30.0
DOUBTED_S: Final = 0.5
# A server that cannot be reached is left alone for so long, and must be reached in so long, if there are others.
REST_S: Final = 0.5
REACHED_S: Final = 1.0
# Connections to a server that wait for a call, and how long one may.
MOST_IDLE: Final = 16
IDLE_S: Final = 120.0


class Server:
    """One of the servers. Threads share it, but for the connections that it lends."""

    def __init__(self, authority: str, family: int, address: tuple[Any, ...]) -> None:
        self.authority, self.family, self.address = authority, family, address
        self.rests_until = 0.0
        self._is_doubtful = self._is_gone = False
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def waiting(self) -> Connection | None:
        """A connection that has been open for a while and still is."""
        late = time.monotonic() - IDLE_S
        while True:
            with self._lock:
                found = self._idle.pop() if self._idle else None
            if found is None or (found.idle_since > late and found.look()):
                return found
            found.close()

    def connect(self, until: float) -> Connection:
        """A new connection; LateError, OSError or Http2Error where there is none in time."""
        if self._is_doubtful:  # one who tries is enough: for the others it rests meanwhile
            self.rests_until = time.monotonic() + REACHED_S
        try:
            connection = Connection.open(self.family, self.address, until)
        except (LateError, OSError, Http2Error):
            self._is_doubtful, self.rests_until = True, time.monotonic() + REST_S
            raise
        self._is_doubtful, self.rests_until = False, 0.0
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call, if it is worth it."""
        surplus = [connection]
        connection.idle_since = now = time.monotonic()
        if connection.usable:
            with self._lock:
                if not self._is_gone and len(self._idle) < MOST_IDLE:
                    surplus = self._idle[:1] if self._idle and self._idle[0].idle_since < now - IDLE_S else []
                    self._idle = [*self._idle[len(surplus) :], connection]
        for each in surplus:
            each.close()

    def leave(self) -> None:
        """Nobody will ask it any more."""
        with self._lock:
            self._is_gone, idle, self._idle = True, self._idle, []
        for each in idle:
            each.close()


class Servers:
    """All of them."""

    def __init__(self, address: str) -> None:
        self._authorities = address.split(",")
        self._found: dict[tuple[Any, ...], Server] = {}
        self._turns: list[Server] = []
        self._turn = 0
        self._lock = threading.Lock()
        self._looker = ThreadPoolExecutor(1, "addresses")
        self._looking: Future[None] | None = None
        self._looked_up = float("-inf")
        self._doubted = False
        self._problem = ""

    def next(self, tried: AbstractSet[Server], until: float) -> Server | None:
        """Whose turn it is; one that rests only if all others have been tried. CallError where a name has none."""
        if self._is_due() or not self._turns:
            self._look_up(until)
        now = time.monotonic()
        with self._lock:
            self._turn += 1
            begin = self._turn % len(self._turns)
            in_turn = [each for each in self._turns[begin:] + self._turns[:begin] if each not in tried]
        return min(in_turn, key=lambda each: each.rests_until > now, default=None)

    def are_several(self) -> bool:
        """Whether there is another one to try."""
        return len(self._turns) > 1

    def doubt(self) -> None:
        """A server could not be reached: perhaps it has another address by now."""
        self._doubted = True

    def close(self) -> None:
        """End all connections that wait for a call."""
        for each in self._turns:
            each.leave()

    def _look_up(self, until: float) -> None:
        """Have names looked up again if it is time. Who does so waits a while, others only if they must."""
        patience = 0.0
        with self._lock:
            if self._is_due() and not self._looking:
                self._doubted = False
                self._looking = self._looker.submit(self._look)
                patience = REACHED_S
            looking = self._looking
        if looking:
            left = until - time.monotonic()
            wait([looking], max(0.0, min(left, patience) if self._turns else left))
        if not self._turns:
            late = looking is not None and not looking.done()
            raise CallError(
                StatusCode.DEADLINE_EXCEEDED if late else StatusCode.UNAVAILABLE,
                "the look-up of the name takes too long" if late else self._problem,
            )

    def _is_due(self) -> bool:
        lasts = DOUBTED_S if self._doubted or not self._turns else LOOKED_UP_S
        return time.monotonic() - self._looked_up > lasts

    def _look(self) -> None:
        try:
            self._learn()
        finally:
            with self._lock:
                self._looking, self._looked_up = None, time.monotonic()

    def _learn(self) -> None:
        found: dict[tuple[Any, ...], Server] = {}
        for authority in self._authorities:
            host, _, port = authority.rpartition(":")
            try:
                addresses = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                self._problem = f"{authority} has no address: {error}"
                if self._turns:
                    return  # better those of before than none
                continue
            for family, _, _, _, address in addresses:
                key = (family, *address)
                found.setdefault(key, self._found.get(key) or Server(authority, family, address))
        gone = [each for key, each in self._found.items() if key not in found]
        with self._lock:
            self._found, self._turns = found, list(found.values())
        for each in gone:
            each.leave()
