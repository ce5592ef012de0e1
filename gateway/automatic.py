"""Trainings that nobody asks for: one, once so many labelled images have come since the last.

It is looked whether one is due after each write, as a gateway starts, and, while one goes, again and again until
it has ended. They are started like a person's: one goes at a time, and of two gateways that see the same images
only one starts it. The images that a training began with are never counted again, so one whose candidate is turned
away, or that fails, is not tried again before as many have come anew.

To count many images takes a while; no more than a share of the time goes into it, however fast they come.
"""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property

from binocular.contributions import KINDS
from binocular.errors import BinocularError, RetrainingError
from binocular.store import Store
from gateway.retraining import Retraining
from gateway.versions import Versions
from gateway.waiting import HARDLY_S, SHARE

# After one that could not be started, as while another goes, the next look is so much later.
PAUSE_S = 60.0

log = logging.getLogger(__name__)


class Automatic:
    """Starts a training after every so many new images; never where that is 0."""

    def __init__(self, store: Store, versions: Versions, retraining: Retraining, after: int) -> None:
        self._store = store
        self._versions = versions
        self._retraining = retraining
        self._after = after
        self._lock = threading.Lock()
        self._asked = False  # there is something to look at, and nobody looked yet
        self._rests_until = 0.0

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="automatic")

    def look_soon(self) -> None:
        """Look whether a training is due, without keeping anybody waiting."""
        with self._lock:
            if not self._after or self._asked:
                return
            self._asked = True
        self._thread.submit(self._look_quietly)

    def look(self) -> str:
        """Start a training if it is time: the id of its run, or nothing."""
        since, after_what = self._since()
        began = time.monotonic()
        enough = count(self._store, since) >= self._after
        took = time.monotonic() - began
        if took > HARDLY_S:
            self._rest(took / SHARE)
        if not enough:
            return ""
        return self._retraining.start(None, f"automatic, after {after_what}")

    def _since(self) -> tuple[float, str]:
        """When the newest training began to look at images, in seconds since the epoch, and what names it."""
        last, production = self._retraining.last(), self._versions.current()
        moments = [(0.0, "nothing")]
        if last:
            moments.append((last.taken, last.id))
        if production and not (last and last.run_id == production[1].run):  # made by nobody that asked a gateway
            looked = datetime.fromisoformat(production[1].looked or production[1].created)
            moments.append((looked.timestamp(), f"version {production[0]}"))
        return max(moments)

    def _look_quietly(self) -> None:
        with self._lock:
            rests_s = self._rests_until - time.monotonic()
            self._asked = rests_s > 0
        if rests_s > 0:
            later = threading.Timer(rests_s, self._thread.submit, [self._look_quietly])
            later.daemon = True
            later.start()
            return
        try:
            if run_id := self.look():
                log.info("a training was started, since enough images came", extra={"run": run_id})
        except BinocularError as error:
            if not isinstance(error, RetrainingError):  # one goes
                log.warning("a training was not started", extra={"why": str(error)})
            self._rest(PAUSE_S)
            self.look_soon()

    def _rest(self, seconds: float) -> None:
        """Look at nothing for so long; what is written meanwhile is looked at then."""
        with self._lock:
            self._rests_until = time.monotonic() + seconds


def count(store: Store, since: float) -> int:
    """Labelled images that came since then.

    Stores tell whole seconds: what came in the second of a training's start counts as come before it. It is in
    that training all the same, which lists images later.
    """
    entries = (entry for kind in KINDS for entry in store.entries(f"{kind}/"))
    return sum(entry.modified is not None and entry.modified.timestamp() > since for entry in entries)
