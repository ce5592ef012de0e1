"""How much may be in the house at once. What is too much is refused at once, so that overload cannot pile up."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from binocular.wire.codes import StatusCode
from serving.server.status import ServingError

T = TypeVar("T")


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


class Turns(Generic[T]):
    """So many at the same time; the others wait in the order in which they came."""

    def __init__(self, most: int, begin: Callable[[T], None]) -> None:
        self._most, self._begin = most, begin
        self._lock = threading.Lock()
        self._going: set[T] = set()
        self._waiting: deque[T] = deque()

    def want(self, who: T) -> bool:
        """Whether it is their turn at once. If not, they are told to begin when it is."""
        with self._lock:
            if len(self._going) < self._most:
                self._going.add(who)
                return True
            self._waiting.append(who)
            return False

    def end(self, who: T) -> None:
        """They are done, or want no turn any more."""
        following = None
        with self._lock:
            if who in self._going:
                self._going.remove(who)
                if self._waiting:
                    following = self._waiting.popleft()
                    self._going.add(following)
            elif who in self._waiting:
                self._waiting.remove(who)
        if following is not None:
            self._begin(following)
