"""A pipeline's step inside Kubeflow: its settings and log, and what becomes of its errors and its reports.

with step() as settings:
    ...                    # a BinocularError ends the step with one line in its log, not with a traceback
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from binocular import logs
from binocular.errors import EXIT_FAILED, BinocularError, NotFoundError, of_this_machine
from binocular.folders import put_folder
from binocular.settings import Settings, load
from binocular.store import Store

log = logging.getLogger(__name__)


@contextmanager
def step() -> Iterator[Settings]:
    """Do a step's work with this machine's settings."""
    try:
        settings = load()
        logs.configure(settings)
        yield settings
    except BinocularError as error:
        _leave(str(error), error.exit_code)
    except OSError as error:
        _leave(of_this_machine(error), EXIT_FAILED)


def _leave(message: str, code: int) -> NoReturn:
    log.error(message)
    sys.exit(code)


def keep(store: Store, uri: str, path: Path) -> None:
    """Store an artifact where Kubeflow would: it does not, where the step is about to fail."""
    try:
        there, key = store.at(uri)
    except NotFoundError:
        return
    if path.is_file():
        there.put_file(key, path)
        return
    for _ in put_folder(there, path, key):
        pass
