"""The line before the model: so many predictions at once, a few that wait their turn, and a clear no to the rest.

    line.check()              # before the body of a request is read
    with line.turn(): ...     # OverloadedError at once where the wait would be too long

Without it every request would be taken and wait, and under more load than the machine can bear all of them would
wait for ever. How long a wait would be is told by how long the turns before it took, and by how long the request
has waited already for a thread.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from binocular.errors import OverloadedError
from gateway import metrics

# Whoever waits holds a thread and an image.
MOST_WAITING = 48
# How much the newest turn says about the next ones.
NEWEST = 0.2
# There are threads enough: a request that waited for one for so much of the patience shows that there is hardly
# time to say no to all who come.
LATE = 0.5
# What the worker says of the request that this thread works on.
_this = threading.local()


class Line:
    """The line of one worker."""

    def __init__(self, places: int, patience_s: float) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._number = places
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._inside = 0  # with a place or waiting for one
        self._turn_s = 0.0

    def check(self) -> None:
        """OverloadedError where a newcomer would wait too long."""
        with self._lock:
            self._check()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One of the places, as soon as one is free."""
        with self._lock:
            self._check()
            self._inside += 1
        try:
            if not self._places.acquire(timeout=self._patience_s):
                raise _overloaded()
            began = time.monotonic()
            try:
                yield
            finally:
                self._places.release()
                with self._lock:
                    self._turn_s += NEWEST * (time.monotonic() - began - self._turn_s)
        finally:
            with self._lock:
                self._inside -= 1

    def _check(self) -> None:
        before = self._inside - self._number + 1  # of those who wait, a newcomer included
        wait_s = before * self._turn_s / self._number
        late = getattr(_this, "waited_s", 0.0) > LATE * self._patience_s
        if late or before > MOST_WAITING or wait_s > self._patience_s:
            raise _overloaded()


def has_waited(seconds: float) -> None:
    """Say how long the request that this thread begins has waited for it."""
    _this.waited_s = seconds


def _overloaded() -> OverloadedError:
    metrics.of(metrics.TURNED_AWAY, "overload").inc()
    return OverloadedError()
