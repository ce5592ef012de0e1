"""What holds for all tests."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec


def pytest_configure() -> None:
    """Let Ctrl-C mean what it means on a terminal, also to the processes that tests start.

    A shell's background job ignores it, and so does everything that job starts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled photos, a folder for each class."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    draw(folder, Spec(images=40, size=64))
    return folder


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Undo what a test configured of the log: it would write to a stream that is closed after it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
