"""Progress of long work, as an event in the log every few seconds, and read from there again.

    for image in with_progress(images, log, "validating", of=600): ...
    latest(text)     # Progress("validating", done=250, total=600, unit="images", eta_s=7)

Whoever watches a step has its log and nothing else, here as on a cluster; so the log is where progress is told.
"""

import json
import logging
import math
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

EVERY_S = 5.0
# A person is told of the newest events; what an old one said is over.
LINES_BACK = 200
_TEXT = re.compile(
    r"^(?P<time>\d{4}-\S+) +(?:DEBUG|INFO|WARNING|ERROR) +(?P<event>[^=]*?)(?= \w+=|$)(?P<fields>.*)$"
)
_FIELD = re.compile(r" (\w+)=(\S*)")


@dataclass(frozen=True)
class Progress:
    """How far the work is, as its newest event says."""

    event: str  # what is being done: ingesting, head, fine-tuning …
    done: float
    total: float | None  # None where nobody knows
    unit: str  # images, epochs
    eta_s: float | None
    at: str  # when it was said, ISO 8601
    figures: dict[str, float]  # what else was measured: loss, accuracy, per_second


def with_progress(items: Iterable[T], log: logging.Logger, event: str, *, of: int | None = None) -> Iterator[T]:
    """Pass the items on, logging how many images came so far, `of` how many, and how many a second."""
    started = reported = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - reported > EVERY_S:
            reported = now
            speed = count / (now - started)
            left = {} if of is None else {"of": of, "eta_s": round((of - count) / speed)}
            log.info(event, extra={"images": count, **left, "per_second": round(speed)})


def latest(text: str) -> Progress | None:
    """The newest progress that a log tells, in either form of `logs.py`; None where it tells none."""
    for line in reversed(text.splitlines()[-LINES_BACK:]):
        with suppress(ValueError):
            if found := _read(line):
                return found
    return None


def _read(line: str) -> Progress | None:
    fields = _fields(line)
    figures = {name: float(value) for name, value in fields.items() if _is_number(value)}
    eta, event, at = figures.pop("eta_s", None), fields.get("event", ""), fields.get("time", "")
    if "epoch" in fields:
        epoch, _, epochs = fields["epoch"].partition("/")
        return Progress(event, float(epoch), float(epochs), "epochs", eta, at, figures)
    if "images" in figures and "per_second" in figures:
        images, of = figures.pop("images"), figures.pop("of", None)
        return Progress(event, images, of, "images", eta, at, figures)
    return None


def _fields(line: str) -> dict[str, str]:
    if line.startswith("{"):
        found = json.loads(line)
        return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
    if match := _TEXT.match(line):
        return {"time": match["time"], "event": match["event"], **dict(_FIELD.findall(match["fields"]))}
    return {}


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
