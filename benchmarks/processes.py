"""Processes of ours that a benchmark runs from beginning to end: steps, as anybody starts them.

process("-m", "components.ingest", str(photos), "--out", str(snapshot))
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CALM = {"TF_CPP_MIN_LOG_LEVEL": "3", "BINOCULAR_LOG_LEVEL": "info"}


def process(*arguments: str, may_exit: int = 0) -> str:
    """What it prints; its log is shown as it comes."""
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **CALM}, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in {0, may_exit}:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}")
    return done.stdout


@contextmanager
def started(*arguments: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:  # noqa: ANN401 - Popen's own
    """A process to look at while it runs; it does not outlive a block that is cut off."""
    with subprocess.Popen([sys.executable, *arguments], text=True, **options) as running:
        try:
            yield running
        except BaseException:
            running.kill()
            raise
