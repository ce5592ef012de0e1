"""Images of predictions, kept in the store for a while so that people may say what they really show.

An image is written while the model is asked, and the answer says whether it was kept. Keeping never makes a
prediction fail, nor slow when the store is: then it pauses. What is too old, or too much, is swept away by the
workers as they go; keys begin with the hour, so the oldest are listed first.
"""

import logging
import re
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cached_property

from binocular.errors import BinocularError, NotFoundError
from binocular.store import Store
from gateway import metrics

PREFIX = "predictions"
HOUR_S = 3600
ID = re.compile(r"[0-9a-f]{6}[0-9a-f]{32}")
HOUR_CHARACTERS = 6
WRITERS = 4
# What may wait to be written, in bytes; beyond it images are not kept.
MOST_WAITING = 64_000_000
# How long an answer waits for its image to be kept, and how long nothing is tried after that failed.
WAIT_S, PAUSE_S = 1.0, 10.0
SWEEP_EVERY_S = 600.0

log = logging.getLogger(__name__)


def key_of(prediction: str) -> str:
    """Where the image of a prediction is kept; NotFoundError for what is no id of ours."""
    if not ID.fullmatch(prediction):
        raise NotFoundError(f"{prediction[:60]!r} is no id of a prediction")
    return f"{PREFIX}/{prediction[:HOUR_CHARACTERS]}/{prediction}"


class Keeper:
    """The kept images of one store."""

    def __init__(self, store: Store, hours: int, most_bytes: int) -> None:
        self._store = store
        self._hours = hours
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._waiting = 0
        self._paused_until = 0.0
        # Not at once: a worker that has just started has people to answer.
        self._sweep_at = time.monotonic() + SWEEP_EVERY_S / 10

    @cached_property
    def _writers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(WRITERS, thread_name_prefix="keeper")

    def keep(self, data: bytes) -> tuple[str, "Future[bool]"]:
        """Begin to keep an image; the id of its prediction, and whether it is kept as soon as that is known."""
        prediction = f"{int(time.time() // HOUR_S):0{HOUR_CHARACTERS}x}{uuid.uuid4().hex}"
        now = time.monotonic()
        with self._lock:
            refused = not self._hours or now < self._paused_until or self._waiting + len(data) > MOST_WAITING
            if not refused:
                self._waiting += len(data)
            sweep = bool(self._hours) and now > self._sweep_at
            if sweep:
                self._sweep_at = now + SWEEP_EVERY_S
        if sweep:
            self._writers.submit(self._sweep_quietly)
        if refused:
            done: Future[bool] = Future()
            done.set_result(False)
            return prediction, done
        return prediction, self._writers.submit(self._write, key_of(prediction), data)

    def kept(self, images: "list[Future[bool]]") -> list[bool]:
        """Which of the images are kept, as far as that is known soon."""
        done, late = wait(images, WAIT_S)
        if late:
            self._pause()
        outcome = [each in done and each.result() for each in images]
        for each in outcome:
            metrics.KEPT.labels("yes" if each else "no").inc()
        return outcome

    def read(self, prediction: str) -> bytes:
        """The image of a prediction."""
        try:
            return b"".join(self._store.stream(key_of(prediction)))
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

    def _write(self, key: str, data: bytes) -> bool:
        try:
            self._store.put(key, data, "application/octet-stream")
        except BinocularError as error:
            log.warning("an image was not kept for corrections", extra={"why": str(error)})
            self._pause()
            return False
        finally:
            with self._lock:
                self._waiting -= len(data)
        return True

    def _pause(self) -> None:
        with self._lock:
            self._paused_until = time.monotonic() + PAUSE_S

    def _sweep_quietly(self) -> None:
        try:
            if count := self.sweep():
                log.info("images of old predictions deleted", extra={"images": count})
        except BinocularError as error:
            log.warning("old images were not swept", extra={"why": str(error)})
