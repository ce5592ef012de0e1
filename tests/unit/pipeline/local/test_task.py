"""The process of a step, and when it is tried again."""

import os
import sys
from pathlib import Path

import pytest

from binocular import processes
from pipeline.local.attempt import backoff_s
from pipeline.local.inputs import Data
from pipeline.local.plan import Step
from pipeline.local.task import EXECUTION_MARK, Process
from tests.servers import wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_does_not_outlive_who_looks_after_it(tmp_path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    environment = {**os.environ, EXECUTION_MARK: str(tmp_path)}
    with pytest.raises(ZeroDivisionError):
        Process(tmp_path / "log").run(SLEEP, tmp_path, environment, None, fail)
    wait_until(lambda: not processes.marked(EXECUTION_MARK, str(tmp_path)))


@pytest.mark.parametrize(
    ("duration", "failures", "pause"),
    [("1s", 1, 1), ("1s", 3, 4), ("1s", 30, 60), ("1s", 3000, 60), ("0s", 3000, 0), ("1s", 5001, None)],
)
def test_the_pauses_between_tries_grow_to_the_longest(duration: str, failures: int, pause: float | None) -> None:
    policy = {
        "maxRetryCount": 5000, "backoffDuration": duration, "backoffFactor": 2.0, "backoffMaxDuration": "60s",
    }  # fmt: skip
    assert backoff_s(Step("a", {"retryPolicy": policy}, {}, Data(), may_cache=True), failures) == pause
