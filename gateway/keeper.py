"""Images of predictions, kept in the store for a while so that people may say what they really show.

    with keeper.keep([image]) as keeping:
        ...                                  # ask the model
        keeping.ids, keeping.kept()          # which predictions these are, and whether their images are kept

An image is written while the model is asked. A write costs half as much as the rest of a prediction, so under load
images share one: it begins when the first of their predictions needs it. Keeping makes no prediction fail, nor
slow where the store is slow: then it pauses. What is too old, or too much, is swept away by the workers as they
go; keys begin with the hour, so the oldest are listed first.
"""

import logging
import re
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from binocular.errors import BinocularError, NotFoundError
from binocular.store import Store
from gateway import metrics
from gateway.packs import pack, unpack

PREFIX = "predictions"
HOUR_S = 3600
# The hour, the object, and which of its images. An object of earlier releases is one image, without a number.
ID = re.compile(r"(?P<hour>[0-9a-f]{6})(?P<name>[0-9a-f]{32})(?P<number>[0-9a-f]{4})?")
HOUR_CHARACTERS = 6
WRITERS = 4
# One object holds at most so many images, and takes no more once it has so many bytes.
MOST_IMAGES, FULL_BYTES = 1000, 4_000_000
# With fewer other predictions than this an image is written at once, and nobody waits for it.
MANY = 2
# What may wait to be written, in bytes; beyond it images are not kept.
MOST_WAITING = 64_000_000
# How long an answer waits for its image to be kept, and how long nothing is tried after that failed.
WAIT_S, PAUSE_S = 1.0, 10.0
SWEEP_EVERY_S = 600.0

log = logging.getLogger(__name__)


def key_of(prediction: str) -> str:
    """Where the image of a prediction is kept; NotFoundError for what is no id of ours."""
    found = ID.fullmatch(prediction)
    if not found:
        raise NotFoundError(f"{prediction[:60]!r} is no id of a prediction")
    return f"{PREFIX}/{found['hour']}/{found['hour']}{found['name']}"


def _new_name() -> str:
    return f"{int(time.time() // HOUR_S):0{HOUR_CHARACTERS}x}{uuid.uuid4().hex}"


@dataclass(eq=False)
class _Pack:
    """Images that are written together, and whether they are as soon as that is known."""

    name: str = field(default_factory=_new_name)
    images: list[bytes] = field(default_factory=list)
    size: int = 0
    written: "Future[bool]" = field(default_factory=Future)
    begun: bool = False

    def add(self, data: bytes) -> str:
        """Add an image; the id of its prediction."""
        self.images.append(data)
        self.size += len(data)
        return f"{self.name}{len(self.images) - 1:04x}"

    @property
    def full(self) -> bool:
        """Whether it takes no more."""
        return self.size >= FULL_BYTES or len(self.images) >= MOST_IMAGES


@dataclass(frozen=True)
class Keeping:
    """The images of one request."""

    keeper: "Keeper"
    ids: list[str]
    packs: list[_Pack]

    def kept(self) -> list[bool]:
        """Which of the images are kept, as far as that is known soon."""
        return self.keeper.wait(self.packs)


class Keeper:
    """The kept images of one store."""

    def __init__(self, store: Store, hours: int, most_bytes: int) -> None:
        self._store = store
        self._hours = hours
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._requests = 0  # that are going
        self._waiting = 0  # bytes
        self._open = _Pack()
        self._paused_until = 0.0
        # Not at once: a worker that has just started has people to answer.
        self._sweep_at = time.monotonic() + SWEEP_EVERY_S / 10

    @cached_property
    def _writer(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(WRITERS, thread_name_prefix="keeper")

    @contextmanager
    def keep(self, images: Sequence[bytes]) -> Iterator[Keeping]:
        """Begin to keep the images of a request, which is going for as long as the block."""
        with self._lock:
            joined = [self._join(data) for data in images]
            if self._requests < MANY:
                self._begin(self._open)
            self._requests += 1
        self._sweep_now_and_then()
        try:
            yield Keeping(self, [prediction for prediction, _ in joined], [mine for _, mine in joined])
        finally:
            with self._lock:
                self._requests -= 1

    def wait(self, packs: Sequence[_Pack]) -> list[bool]:
        """Which of the packs are written, as far as that is known soon."""
        with self._lock:
            for each in packs:
                self._begin(each)
        done, late = wait({each.written for each in packs}, WAIT_S)
        if late:
            self._pause()
        outcome = [each.written in done and each.written.result() for each in packs]
        for is_kept in outcome:
            metrics.KEPT.labels("yes" if is_kept else "no").inc()
        return outcome

    def _join(self, data: bytes) -> tuple[str, _Pack]:
        """Put an image into the open pack, or into one that is never written."""
        if not self._hours or time.monotonic() < self._paused_until or self._waiting + len(data) > MOST_WAITING:
            refused = _Pack(begun=True)
            refused.written.set_result(False)
            return refused.add(data), refused
        self._waiting += len(data)
        mine = self._open
        prediction = mine.add(data)
        if mine.full:
            self._begin(mine)
        return prediction, mine

    def _begin(self, mine: _Pack) -> None:
        """Have a pack written, which nobody joins any more."""
        if mine.begun or not mine.images:
            return
        mine.begun = True
        self._open = _Pack()
        self._writer.submit(self._write, mine)

    def read(self, prediction: str) -> bytes:
        """The image of a prediction."""
        number = prediction[len(key_of(prediction).rpartition("/")[2]) :]
        try:
            data = b"".join(self._store.stream(key_of(prediction)))
            return unpack(data, int(number, 16)) if number else data
        except NotFoundError:
            raise NotFoundError(
                f"the image of prediction {prediction} is not kept: its time is over, or it never was"
            ) from None

    def sweep(self) -> int:
        """Delete what is too old and, the oldest first, what is too much; how many."""
        oldest = f"{int(time.time() // HOUR_S) - self._hours:0{HOUR_CHARACTERS}x}"
        entries = sorted(self._store.entries(f"{PREFIX}/"), key=lambda entry: entry.key)
        total = sum(entry.size for entry in entries)
        doomed = []
        for entry in entries:
            if entry.key.split("/")[1] >= oldest and total <= self._most_bytes:
                break
            total -= entry.size
            doomed.append(entry.key)
        self._store.delete(*doomed)
        return len(doomed)

    def _write(self, mine: _Pack) -> None:
        try:
            self._store.put(key_of(mine.name), pack(mine.images), "application/octet-stream")
            mine.written.set_result(True)
        except BinocularError as error:
            log.warning("images were not kept for corrections", extra={"why": str(error)})
            self._pause()
            mine.written.set_result(False)
        except BaseException as error:  # for whoever waits
            mine.written.set_exception(error)
            raise
        finally:
            with self._lock:
                self._waiting -= mine.size

    def _pause(self) -> None:
        with self._lock:
            self._paused_until = time.monotonic() + PAUSE_S

    def _sweep_now_and_then(self) -> None:
        now = time.monotonic()
        with self._lock:
            if not self._hours or now < self._sweep_at:
                return
            self._sweep_at = now + SWEEP_EVERY_S
        self._writer.submit(self._sweep_quietly)

    def _sweep_quietly(self) -> None:
        try:
            if count := self.sweep():
                log.info("images of old predictions deleted", extra={"objects": count})
        except BinocularError as error:
            log.warning("old images were not swept", extra={"why": str(error)})
