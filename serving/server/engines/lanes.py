"""A fixed number of workers that callers borrow in the order they came."""

import threading
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from serving.server.deadline import Deadline
from serving.server.lent import Lent

T = TypeVar("T")


@dataclass(eq=False)
class _Waiting(Generic[T]):
    """A caller in the queue, and the worker it was handed."""

    ready: threading.Event = field(default_factory=threading.Event)
    worker: T | None = None


class Lanes(Generic[T]):
    """Workers to borrow: `with lanes.lease(deadline) as worker: …`.

    A worker that is given back goes straight to who has waited longest, so a large request cannot keep a
    small one from its turn.
    """

    def __init__(self, workers: list[T]) -> None:
        self._lock = threading.Lock()
        self._idle = deque(workers)
        self._queue: deque[_Waiting[T]] = deque()

    @property
    def idle(self) -> int:
        """How many nobody has."""
        return len(self._idle)

    def lease(self, deadline: Deadline) -> Lent[T]:
        """Borrow a worker, waiting for one as long as the caller does."""
        return Lent(partial(self._take, deadline), self._give)

    def _take(self, deadline: Deadline) -> T:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            waiting: _Waiting[T] = _Waiting()
            self._queue.append(waiting)
        waiting.ready.wait(deadline.remaining())
        with self._lock:
            if waiting.worker is None:
                self._queue.remove(waiting)
        if waiting.worker is None:
            deadline.check()
            return self._take(deadline)  # the clock's grain: the wait ended a moment before the deadline
        try:
            deadline.check()
        except BaseException:
            self._give(waiting.worker)
            raise
        return waiting.worker

    def _give(self, worker: T) -> None:
        with self._lock:
            if self._queue:
                first = self._queue.popleft()
                first.worker = worker
                first.ready.set()
            else:
                self._idle.append(worker)
