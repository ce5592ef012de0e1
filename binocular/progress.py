"""Progress of long work, as an event in the log every few seconds."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

EVERY_S = 5.0


def with_progress(items: Iterable[T], log: logging.Logger, event: str) -> Iterator[T]:
    """Pass the items on, logging how many images came so far and how many a second."""
    started = reported = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - reported > EVERY_S:
            reported = now
            log.info(event, extra={"images": count, "per_second": round(count / (now - started))})
