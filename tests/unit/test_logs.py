import io
import json
import logging
from collections.abc import Iterator

import pytest

from binocular import logs
from binocular.settings import Settings


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    yield io.StringIO()
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def test_json_events_are_one_line_each_with_their_fields(stream: io.StringIO) -> None:
    logs.configure(Settings(log_format="json"), stream)
    logging.getLogger("part").error("it\nfailed", extra={"run": 7}, exc_info=ValueError("why"))

    event = json.loads(stream.getvalue())
    assert (event["event"], event["run"], event["level"], event["logger"]) == ("it\nfailed", 7, "error", "part")
    assert "ValueError: why" in event["traceback"]


def test_a_line_break_in_a_value_cannot_fake_an_event(stream: io.StringIO) -> None:
    logs.configure(Settings(), stream)
    logging.getLogger("part").info("upload", extra={"file": "a.jpg\n2026-01-01 INFO all is well"})

    assert stream.getvalue().count("\n") == 1


def test_a_value_does_nothing_to_a_terminal(stream: io.StringIO) -> None:
    logs.configure(Settings(), stream)
    logging.getLogger("part").info("asked", extra={"path": "/\x1b[2J\r\x00\u202eé"})

    assert stream.getvalue().endswith("path=/\\x1b[2J\\r\\x00\\u202eé\n")


def test_events_below_the_level_are_not_logged(stream: io.StringIO) -> None:
    logs.configure(Settings(log_level="warning"), stream)
    logging.getLogger("part").info("chatter")

    assert stream.getvalue() == ""
