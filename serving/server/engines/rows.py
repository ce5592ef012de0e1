"""The rows of a request, done by as many workers as are free.

    rows = Rows(lanes, workers=4)
    rows.each(16, lambda worker, row: ..., deadline)

While others want the workers, the caller goes on alone: with more threads at work than there are workers each row
would wait for one, and every wait costs a switch.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from serving.server.deadline import Deadline
from serving.server.engines.lanes import Lanes

T = TypeVar("T")


class Rows(Generic[T]):
    """Does the rows of many requests at a time, with the workers of `lanes`."""

    def __init__(self, lanes: Lanes[T], workers: int) -> None:
        self._lanes = lanes
        self._most = workers - 1  # beside the caller
        self._helpers = ThreadPoolExecutor(max(1, self._most), "rows")

    def each(self, count: int, do: Callable[[T, int], None], deadline: Deadline) -> None:
        """Do every row with a worker that is borrowed for it: who asks for little waits for no more than one."""
        left, helpers = _Left(count), list[Future[None]]()

        def one(row: int) -> None:
            deadline.check()
            with self._lanes.lease(deadline) as worker:
                do(worker, row)

        def help_out() -> None:
            while self._lanes.idle and (row := left.take()) is not None:
                one(row)

        try:
            while (row := left.take()) is not None:
                going = sum(not helper.done() for helper in helpers)
                wanted = min(self._lanes.idle - 1, left.rows, self._most - going)
                helpers += [self._helpers.submit(help_out) for _ in range(wanted)]
                one(row)
        finally:
            left.none()
            wait(helper for helper in helpers if not helper.cancel())
        for helper in helpers:
            if not helper.cancelled():
                helper.result()

    def close(self) -> None:
        """End the threads."""
        self._helpers.shutdown()


class _Left:
    """Rows for several threads to take, each once."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._of = rows
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """The next one, if any is left."""
        with self._lock:
            if not self.rows:
                return None
            self.rows -= 1
            return self._of - self.rows - 1

    def none(self) -> None:
        """Leave nothing to take."""
        with self._lock:
            self.rows = 0
