"""Progress is told in the log and read from there."""

import io
import itertools
import logging
import time
from collections.abc import Callable, Iterator

import pytest

from binocular import logs
from binocular.progress import latest, with_progress
from binocular.settings import Settings

log = logging.getLogger("test.progress")


@pytest.fixture(params=["text", "json"])
def written(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """What is logged, in each of the two forms."""
    out, form = io.StringIO(), request.param
    before = logging.root.handlers[:], logging.root.level
    logs.configure(Settings(log_format=form), out)

    yield out.getvalue
    logging.root.handlers[:], logging.root.level = before[0], before[1]


def test_how_far_images_are_is_read_as_it_was_told(
    written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 4)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    assert list(with_progress(range(10), log, "validating", of=40)) == list(range(10))
    found = latest(written())
    assert found is not None
    assert (found.event, found.done, found.total, found.unit) == ("validating", 10, 40, "images")
    assert (found.eta_s, found.figures) == (120, {"per_second": 0.0})


def test_how_far_a_training_is_is_read_as_it_was_told(written: Callable[[], str]) -> None:
    log.info("from scratch", extra={"epoch": "2.5/14", "loss": 0.51, "eta_s": 90})
    log.info("something else", extra={"epochs": 3, "images": "many"})
    found = latest(written())
    assert found is not None
    assert (found.event, found.done, found.total, found.unit, found.eta_s) == (
        "from scratch",
        2.5,
        14,
        "epochs",
        90,
    )
    assert found.figures == {"loss": 0.51}
    assert found.at.startswith("20")


@pytest.mark.parametrize(
    "text",
    ["", "no event", "{broken", "[1]", '{"event": 1}', "2026-01-01T00:00:00 INFO    x epoch=a/b", "x epoch=1/2",
     "2026-01-01T00:00:00 INFO    x images=nan per_second=1", "2026-01-01T00:00:00 INFO    x epoch=1"],
)  # fmt: skip
def test_a_log_that_tells_no_progress_has_none(text: str) -> None:
    assert latest(text) is None
