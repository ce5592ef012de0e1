"""Structured logging: one event a line, as text for a person or as JSON for a machine.

    log = logging.getLogger(__name__)
    log.info("part ready", extra={"part": "store", "seconds": 1.2})

What is in `extra` becomes fields of the line. Never put a secret or image bytes there.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TextIO

from binocular.settings import Settings

# Its number, which native code writes to whatever Python thinks.
STDERR = 2
_FRAME = {"time", "level", "logger", "event", "traceback"}
_EVENT = re.compile(r"^\S+ +(?:DEBUG|INFO|WARNING|ERROR) +")
_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send this process's events to `stream` (standard error), as the settings say."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    # TensorFlow warns of what our steps do on purpose; its errors are exceptions.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)


@contextmanager
def hushed() -> Iterator[None]:
    """Drop what native code writes to standard error: libraries greet when imported, and bury our events."""
    sys.stderr.flush()
    kept = os.dup(STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nowhere)


def said(line: str) -> str:
    """What a line of a log says, without when and how loud: both forms below, and any other line."""
    with suppress(ValueError):
        fields = json.loads(line)
        if isinstance(fields, dict) and "event" in fields:
            shown = [f"{name}={value}" for name, value in fields.items() if name not in _FRAME]
            return " ".join([str(fields["event"]), *shown])
    return _EVENT.sub("", line)


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


class JsonLines(logging.Formatter):
    """`{"time": …, "level": …, "event": …, …}`; a traceback is one field."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the event as one line of JSON."""
        event: dict[str, object] = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str, ensure_ascii=False)


class TextLines(logging.Formatter):
    """`time LEVEL event key=value …`; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the event as one line of text."""
        fields = "".join(f" {key}={value!s}" for key, value in _fields(record).items())
        line = _printable(f"{_when(record)} {record.levelname:<7} {record.getMessage()}{fields}")
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def _printable(line: str) -> str:
    """A line that fakes no event of its own and does nothing to a terminal, whatever the values in it hold."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
