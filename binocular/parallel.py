"""Doing the same to many things: at once, a bounded number at a time, or in batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")


def in_parallel(workers: int, work: Callable[[A], R], items: Iterable[A]) -> Iterator[R]:
    """Yield `work(item)` for each item, in order, `workers` at once; the first failure stops the rest.

    Items are drawn as they are needed, so that a listing of a million costs no more memory than one of ten.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def in_batches(size: int, items: Iterable[A]) -> Iterator[list[A]]:
    """Yield the items in lists of `size`, the last as long as it comes; drawn as they are needed."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
