"""Calls over gRPC to whichever of several servers is there, for what asking and being answered costs.

    channel = Channel("models:8500")
    answer = channel.call("/tensorflow.serving.PredictionService/Predict", [message], timeout_s=5)

gRPC's own client hands each call to threads of its own and back, which costs more processor time than the rest.
Here the thread that asks has a connection to itself for that long, and does what there is to do. Every question
may be asked twice: one that met a connection or a server that was about to go is asked again on a new connection.
"""

import math
import time
import weakref
from typing import Final

from binocular.errors import Http2Error
from binocular.wire.codes import StatusCode
from gateway.connection import BrokenError, Connection, LateError, Message, request_headers
from gateway.reply import CallError
from gateway.servers import REACHED_S, Server, Servers

# How often a question is asked which each server turns away before it looks at it.
MOST_TRIES: Final = 4
# The longest that anybody waits: what gRPC can say in milliseconds.
LONGEST_S: Final = 99_999.0
_DIGITS: Final = 2


class Channel:
    """`host:port`, or several with commas between. Threads may share it; processes may not."""

    def __init__(self, address: str) -> None:
        self._servers = Servers(address)
        # Also of one that nobody closes: what is left of it then are sockets.
        self.close = weakref.finalize(self, self._servers.close)

    def call(self, path: str, message: Message, timeout_s: float) -> bytes:
        """The answer to a message, or CallError; neither later than asked for."""
        until = time.monotonic() + min(timeout_s, LONGEST_S)
        again = False
        for _ in range(MOST_TRIES):
            server, connection = self._connection(until, anew=again)
            headers = request_headers(path, server.authority, timeout(until - time.monotonic()))
            try:
                return connection.call(headers, message, until)
            except BrokenError as error:
                failure = CallError(StatusCode.UNAVAILABLE, f"{server.authority}: {error}")
                if not error.unasked and (again or not error.unheard):
                    raise failure from None
            except CallError as error:
                failure = error
                if again or error.canonical is not StatusCode.CANCELLED:  # by a server that stops, and not by us
                    raise
            finally:
                server.give_back(connection)
            again = True
        raise failure

    def _connection(self, until: float, *, anew: bool) -> tuple[Server, Connection]:
        """A connection to the server whose turn it is, or to another."""
        tried: set[Server] = set()
        problem = ""
        while server := self._servers.next(tried, until):
            tried.add(server)
            if not anew and (waiting := server.waiting()):
                return server, waiting
            patience = REACHED_S if self._servers.are_several() else math.inf
            try:
                return server, server.connect(min(until, time.monotonic() + patience))
            except (LateError, OSError, Http2Error) as error:
                self._servers.doubt()
                problem = f"{server.authority}: {str(error) or 'it does not answer'}"
            if time.monotonic() >= until:
                raise CallError(StatusCode.DEADLINE_EXCEEDED, f"no connection in time: {problem}")
        raise CallError(StatusCode.UNAVAILABLE, problem)


def timeout(seconds: float) -> str:
    """A time as gRPC writes it, not shorter, and with few digits: so that most calls say the same."""
    milliseconds = max(1, math.ceil(seconds * 1000))
    step = 10 ** max(0, len(str(milliseconds)) - _DIGITS)
    return f"{math.ceil(milliseconds / step) * step}m"
