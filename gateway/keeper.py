"""Images of predictions, kept for a while so that people may say what they really show.

    (kept,) = keeper.keep([image])
    kept.prediction, kept.is_kept        # its id, and whether its image can be read by it from now on
    keeper.read(kept.prediction)

An answer waits for this machine's disk. If the store is this machine's own, images stay there: the store would
only write them to the same disk once more, which costs as much as decoding a small photo, and a large one as well.
Otherwise what came within half a second goes to the store together. A worker that is killed leaves its images to
the others, and a store that is gone gets them when it is back. What is too old, or too much, is swept away by the
workers as they go; names begin with the time, so the oldest are listed first.
"""

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from binocular.errors import BinocularError, DiskFullError, NotFoundError, of_this_machine
from binocular.store import Store
from gateway import metrics
from gateway.packs import pack, unpack
from gateway.spool import Draft, Spool

PREFIX = "predictions"
HOUR_S = 3600
# The hour, the object, and which of its images. An object of earlier releases is one image, without a number.
ID = re.compile(r"(?P<hour>[0-9a-f]{6})(?P<name>[0-9a-f]{32})(?P<number>[0-9a-f]{4})?")
HOUR_CHARACTERS, CLOCK_CHARACTERS, CHANCE_BYTES = 6, 12, 10
WRITERS = 4
# How long images are collected for one object, and when it takes no more.
COLLECT_S = 0.5
MOST_IMAGES, FULL_BYTES = 1000, 4_000_000
# The same of a file that stays here: few files, none of which is in use for long after its hour.
STAYING_S = 600.0
STAYING_FULL_BYTES = 64_000_000
# What may wait on a machine's disk, in bytes; beyond it images are not kept.
MOST_WAITING = 256_000_000
# How long nothing is tried after it failed.
PAUSE_S = 10.0
SWEEP_EVERY_S = 600.0
# How long another machine's gateway may take to hand over an image that was asked about a moment ago.
ELSEWHERE_S, LOOK_EVERY_S = 2.0, 0.2

log = logging.getLogger(__name__)


def key_of(prediction: str) -> str:
    """Where the image of a prediction is kept; NotFoundError for what is no id of ours."""
    found = ID.fullmatch(prediction)
    if not found:
        raise NotFoundError(f"{prediction[:60]!r} is no id of a prediction")
    return f"{PREFIX}/{found['hour']}/{found['hour']}{found['name']}"


def _new_name() -> str:
    """The hour, the milliseconds, and what nobody can guess."""
    now, chance = time.time(), secrets.token_hex(CHANCE_BYTES)
    return f"{_hour(now):0{HOUR_CHARACTERS}x}{int(1000 * now):0{CLOCK_CHARACTERS}x}{chance}"


def _hour(at: float) -> int:
    return int(at // HOUR_S)


def _why(error: OSError | BinocularError) -> str:
    return of_this_machine(error) if isinstance(error, OSError) else str(error)


@dataclass(frozen=True)
class Kept:
    """A prediction's id, and whether its image is kept under it."""

    prediction: str
    is_kept: bool


@dataclass(frozen=True, eq=False)
class _Collected:
    """Images on their way to one object."""

    draft: Draft
    full: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)


class Keeper:
    """The kept images of one store, or of one machine where they stay there, as one worker adds to them."""

    def __init__(self, store: Store, spool: Spool, hours: int, most_bytes: int, *, stays: bool = False) -> None:
        self._store = store
        self._stays = stays
        self._spool = spool
        self._hours = hours
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._open: _Collected | None = None
        self._disk_again_at = self._store_again_at = 0.0
        self._adopt_at = 0.0
        # Not at once: a worker that has just started has people to answer.
        self._sweep_at = time.monotonic() + SWEEP_EVERY_S / 10

    @cached_property
    def _writer(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(WRITERS, thread_name_prefix="keeper")

    def keep(self, images: Sequence[bytes]) -> list[Kept]:
        """Keep the images of predictions. One that cannot be kept fails nothing: it is told."""
        with self._lock:
            kept = [self._kept(data) for data in images]
        for each in kept:
            metrics.of(metrics.KEPT, "yes" if each.is_kept else "no").inc()
        if self._hours:
            self._now_and_then()
        return kept

    def _kept(self, data: bytes) -> Kept:
        if not self._hours or time.monotonic() < self._disk_again_at:
            return Kept(_new_name(), is_kept=False)
        try:
            mine = self._open
            if mine is None or (self._stays and time.monotonic() - mine.began > STAYING_S):
                mine = self._begun()
            number = mine.draft.add(data)
        except (OSError, BinocularError) as error:
            log.warning("images are not kept for corrections", extra={"why": _why(error)})
            self._disk_again_at = time.monotonic() + PAUSE_S
            return Kept(_new_name(), is_kept=False)
        full = STAYING_FULL_BYTES if self._stays else FULL_BYTES
        if mine.draft.size >= full or mine.draft.images >= MOST_IMAGES:
            self._close()
        return Kept(f"{mine.draft.path.name}{number:04x}", is_kept=True)

    def _close(self) -> None:
        """Nothing is added any more to what is collected now."""
        mine, self._open = self._open, None
        if mine and self._stays:
            mine.draft.let_go()
        elif mine:
            mine.full.set()

    def _begun(self) -> _Collected:
        """Another object to be, or file; DiskFullError where too much waits already."""
        self._close()
        if not self._stays and (waiting := self._spool.size()) > MOST_WAITING:
            raise DiskFullError(f"{waiting >> 20} MB of them wait for the store already")
        self._open = _Collected(self._spool.begin(_new_name()))
        if self._stays:
            self._writer.submit(self._sweep_quietly, self._sweep_here)
        else:
            self._writer.submit(self._collect, self._open)
        return self._open

    def _collect(self, mine: _Collected) -> None:
        """Let others join for a moment, and hand over what came."""
        mine.full.wait(COLLECT_S)
        with self._lock:
            if self._open is mine:
                self._open = None
        self._deliver(mine.draft)

    def _deliver(self, draft: Draft) -> bool:
        """Hand images over to the store, or leave them to be handed over later; whether it has them."""
        if time.monotonic() < self._store_again_at:
            draft.let_go()
            return False
        try:
            if images := draft.contents():
                self._store.put(key_of(draft.path.name), pack(images), "application/octet-stream")
        except (BinocularError, OSError) as error:
            draft.let_go()
            self._store_again_at = self._adopt_at = time.monotonic() + PAUSE_S
            log.warning("images for corrections wait on this machine", extra={"why": _why(error)})
            return False
        draft.delete()
        return True

    def _adopt(self) -> None:
        """Hand over what was left: by a worker that died, while the store was gone, or when it was another one."""
        adopted = 0
        for draft in self._spool.abandoned():
            found = ID.fullmatch(draft.path.name)
            if not found or self._is_to_go(found["hour"]):
                draft.delete()
            elif self._deliver(draft):
                adopted += 1
            else:
                break
        if adopted:
            log.info("images that waited are with the store", extra={"objects": adopted})

    def read(self, prediction: str) -> bytes:
        """The image of a prediction."""
        key = key_of(prediction)
        name = key.rpartition("/")[2]
        number = int(prediction[len(name) :] or "0", 16)
        until, now = time.monotonic() + ELSEWHERE_S, time.time()
        is_new = _hour(now - ELSEWHERE_S) <= int(name[:HOUR_CHARACTERS], 16) <= _hour(now + ELSEWHERE_S)
        while True:
            try:
                return self._spool.read(name, number)
            except NotFoundError:
                pass
            try:
                data = b"".join(self._store.stream(key))
                return unpack(data, number) if prediction != name else data
            except NotFoundError:
                pass
            if not is_new or time.monotonic() > until:
                break
            time.sleep(LOOK_EVERY_S)
        raise NotFoundError(f"the image of prediction {prediction} is not kept: its time is over, or it never was")

    def sweep(self) -> int:
        """Delete what is too old and, the oldest first, what is too much; how many."""
        count = self._sweep_here() if self._stays else 0
        entries = sorted(self._store.entries(f"{PREFIX}/"), key=lambda entry: entry.key)
        total = sum(entry.size for entry in entries)
        doomed = []
        for entry in entries:
            if not self._is_to_go(entry.key.split("/")[1], total):
                break
            total -= entry.size
            doomed.append(entry.key)
        self._store.delete(*doomed)
        return len(doomed) + count

    def _sweep_here(self) -> int:
        """The same of what stays on this machine; files that workers add to are left."""
        total, count = self._spool.size(), 0
        for draft in self._spool.abandoned():
            found = ID.fullmatch(draft.path.name)
            if found and not self._is_to_go(found["hour"], total):
                draft.let_go()
                break
            total -= draft.path.stat().st_size
            draft.delete()
            count += 1
        return count

    def _is_to_go(self, hour: str, bytes_: int = 0) -> bool:
        """Whether what came in an hour is too old, or, being the oldest of so many bytes, too much."""
        oldest = f"{_hour(time.time()) - self._hours:0{HOUR_CHARACTERS}x}"
        return hour < oldest or bytes_ > self._most_bytes

    def _now_and_then(self) -> None:
        now = time.monotonic()
        with self._lock:
            is_to_adopt, is_to_sweep = not self._stays and now >= self._adopt_at, now >= self._sweep_at
            if is_to_adopt:
                self._adopt_at = now + SWEEP_EVERY_S
            if is_to_sweep:
                self._sweep_at = now + SWEEP_EVERY_S
        if is_to_adopt:
            self._writer.submit(self._adopt)
        if is_to_sweep:
            self._writer.submit(self._sweep_quietly, self.sweep)

    def _sweep_quietly(self, sweep: Callable[[], int]) -> None:
        try:
            if count := sweep():
                log.info("images of old predictions deleted", extra={"objects": count})
        except (BinocularError, OSError) as error:
            log.warning("old images were not swept", extra={"why": _why(error)})
