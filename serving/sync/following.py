"""Following production of one model: from where it points in the store to what its folder offers.

A version that cannot be had, or must not be served, changes nothing: what is offered stays, the reason is told,
and it is tried again, ever more rarely until production moves. The store may go away and come back at any time.
"""

import contextlib
import logging
import math
import random
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from binocular import bundle, registry
from binocular.errors import BinocularError, DiskFullError, NotFoundError, of_this_machine
from binocular.publication import Manifest, fetch, read_manifest
from binocular.registry import Production
from binocular.signatures import Trust, read_signature
from binocular.store import Store
from serving.sync.folder import ModelFolder, disk_full_explained, refuse_other, verify
from serving.sync.metrics import Metrics

# How long a store is left in peace that does not answer, and a version that cannot be served.
ASK_AT_LATEST_S = 15.0
BRING_AT_LATEST_S = 60.0
MOST_DOUBLINGS = 20
DISK = "disk"
DEFECT = "internal"
LOCKED = "locked"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Habits:
    """How a puller works."""

    poll_s: float
    keep: int
    grace_s: float
    trust: Trust | None = None  # whose signatures are asked for, if any


@dataclass(frozen=True)
class Status:
    """How it stands with one model."""

    model: str
    offered: int | None = None  # what a model server sees as the highest
    wanted: int | None = None  # what is in production, as far as is known
    reason: str = ""  # the code of what is wrong, "" if nothing is
    problem: str = ""  # the same for a person
    synced: float | None = None  # when the folder last held what is in production; seconds since the epoch

    @property
    def in_step(self) -> bool:
        """Whether what is offered is what is in production."""
        return not self.reason and self.offered == self.wanted


class Pause:
    """Pauses that double from the first to the longest, each a little different, so that pullers do not march."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, max(first_s, longest_s)
        self._failures = 0

    def next(self) -> float:
        """How long to wait after another failure."""
        pause: float = min(self._first_s * 2**self._failures, self._longest_s)
        self._failures = min(self._failures + 1, MOST_DOUBLINGS)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load, and guards nothing

    def over(self) -> None:
        """It went well."""
        self._failures = 0


class Follower:
    """The puller of one model."""

    def __init__(self, store: Store, name: str, folder: ModelFolder, habits: Habits, metrics: Metrics) -> None:
        self._store, self._name, self._folder, self._habits, self._metrics = store, name, folder, habits, metrics
        self._asking = Pause(habits.poll_s, ASK_AT_LATEST_S)
        self._bringing = Pause(habits.poll_s, BRING_AT_LATEST_S)
        self._tried: int | None = None  # the version that the pauses of `_bringing` are about
        self._again_at = 0.0
        self._proven: int | None = None  # the version that this process has seen to be right
        self._tidy_at = 0.0
        self.status = Status(name, folder.offered())

    def follow(self, stop: threading.Event) -> None:
        """Follow until told to stop."""
        while not self._is_ours():
            if stop.wait(self._habits.poll_s):
                return
        while not stop.wait(self.turn()):
            pass
        self._folder.unlock()

    def once(self) -> None:
        """Bring what is in production now, if nobody else does; `status` says how it went."""
        if self._is_ours():
            self.turn()
            if not self.status.reason and self.status.wanted is None:
                self._tell(NotFoundError.code, f"no version of {self._name} is in production")
            self._folder.unlock()

    def _is_ours(self) -> bool:
        """Whether this process is the one puller of the folder; why not is told."""
        try:
            if self._folder.lock():
                return True
            self._tell(LOCKED, f"{self._folder.path} is kept by another puller ({self._folder.owner()})")
        except OSError as error:
            self._tell(*_explained(error))
        return False

    def turn(self) -> float:
        """Look where production points and act on it; seconds until the next look."""
        try:
            production = registry.production(self._store, self._name)
        except Exception as error:  # noqa: BLE001 - nothing that a store answers may end the puller
            self._tell(*_explained(error))
            return self._asking.next()
        self._asking.over()
        if production is None:
            self._note(wanted=None)
            self._tell("", "")
            return self._habits.poll_s
        self._note(wanted=production.version)
        if production.version != self._tried:
            self._bringing.over()
            self._tried, self._again_at = production.version, 0.0
        if time.monotonic() >= self._again_at:
            self._act(production)
        return self._habits.poll_s

    def _act(self, production: Production) -> None:
        """Bring and tidy up. What goes wrong is told, and changes nothing."""
        version = production.version
        try:
            with disk_full_explained(self._folder.path):
                if self._proven != version or self._folder.offered() != version:
                    self._bring(version)
                elif time.monotonic() >= self._tidy_at:
                    self._tidy(production)
        except Exception as error:  # noqa: BLE001 - nor anything that lies in it
            if isinstance(error, DiskFullError):
                with contextlib.suppress(OSError):
                    self._folder.forget_arrivals()  # others need the space as well
            self._tell(*_explained(error))
            self._again_at = time.monotonic() + self._bringing.next()
            return
        self._bringing.over()
        self._tell("", "")

    def _bring(self, version: int) -> None:
        """Make a version the one that is offered; an error where that cannot or must not be."""
        manifest = self._allowed(version)
        visible = self._folder.visible().get(version)
        if visible is not None:
            refuse_other(visible, manifest)
        else:
            self._folder.show(version, self._verified(version, manifest), manifest)
        aside = self._folder.set_aside_above(version)
        self._folder.forget_arrivals()
        self._proven, self._tidy_at = version, time.monotonic() + self._habits.grace_s
        extra = {"set_aside": ",".join(map(str, aside))} if aside else {}
        log.info("offered", extra={"model": self._name, "version": version, **extra})

    def _allowed(self, version: int) -> Manifest:
        """What a version consists of, signed where that is asked for."""
        place = registry.prefix(self._name, version)
        manifest = read_manifest(self._store, place)
        if manifest is None:
            raise NotFoundError(f"version {version} of {self._name} is in production and not in the store")
        if self._habits.trust is not None:
            signature = read_signature(self._store, place, manifest)
            self._habits.trust.verify(signature, self._name, version, manifest)
        return manifest

    def _verified(self, version: int, manifest: Manifest) -> Path:
        """A folder of ours with the version, complete and readable: brought now, or set aside earlier."""
        aside = self._folder.local(version)
        if aside is not None:
            try:
                verify(aside, manifest)
            except BinocularError:
                self._folder.discard(aside)
            else:
                return aside
        folder = self._folder.arriving(version, manifest)
        if not folder.exists():  # it does where it came whole, and was turned away below
            self._download(version, folder, sum(file.size for file in manifest.files))
        try:
            verify(folder, manifest)
        except BinocularError:
            self._folder.discard(folder)
            raise
        bundle.check(folder)
        return folder

    def _download(self, version: int, folder: Path, size: int) -> None:
        started = time.monotonic()
        fetch(self._store, registry.prefix(self._name, version), folder)
        seconds = time.monotonic() - started
        self._metrics.downloaded(self._name, size, seconds)
        extra = {"model": self._name, "version": version, "bytes": size, "seconds": round(seconds, 2)}
        log.info("downloaded", extra=extra)

    def _tidy(self, production: Production) -> None:
        """Delete what nobody will ask for, once after each change."""
        version = production.version
        if gone := self._folder.delete_except(version, production.previous, self._habits.keep):
            log.info("deleted", extra={"model": self._name, "versions": ",".join(map(str, gone))})
        self._tidy_at = math.inf

    def _note(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of a Status
        with contextlib.suppress(OSError):  # what cannot be read now was told by whoever needed it
            changes["offered"] = self._folder.offered()
        self.status = replace(self.status, **changes)

    def _tell(self, reason: str, problem: str) -> None:
        """Say how it stands; a problem is logged when it is a new one and counted each time."""
        before = self.status
        self._note(reason=reason, problem=problem)
        if self.status.in_step:
            self._note(synced=time.time())
        if reason:
            self._metrics.failed(self._name, reason)
        if problem and problem != before.problem:
            extra = {"model": self._name, "reason": reason, "problem": problem, "offered": self.status.offered}
            log.warning("not in step", extra=extra)
        elif before.problem and not problem:
            log.info("in step again", extra={"model": self._name, "offered": self.status.offered})


def _explained(error: Exception) -> tuple[str, str]:
    """What went wrong: a code, and a line for a person."""
    if isinstance(error, BinocularError):
        return error.code, str(error)
    if isinstance(error, OSError):
        return DISK, of_this_machine(error)
    log.error("a defect", exc_info=error)
    return DEFECT, f"{type(error).__name__}: {error}"
