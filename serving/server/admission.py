"""How much may be in the house at once. What is too much is refused at once, so that overload cannot pile up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from grpc import StatusCode

from serving.server.status import ServingError


class Admission:
    """A limit on how much of something (requests, bytes) is held at the same time."""

    def __init__(self, most: int, what: str) -> None:
        self._most, self._what = most, what
        self._now, self._lock = 0, threading.Lock()

    @contextmanager
    def enter(self, amount: int = 1) -> Iterator[None]:
        """Come in with this much, or RESOURCE_EXHAUSTED."""
        with self._lock:
            if self._now + amount > self._most:
                raise ServingError(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"{self._now} of at most {self._most} {self._what} are held already; try again later",
                )
            self._now += amount
        try:
            yield
        finally:
            with self._lock:
                self._now -= amount
