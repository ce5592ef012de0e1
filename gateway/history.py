"""What the gateway did in each of the last minutes, of all workers, also across their restarts.

    history.sample()                    # whichever worker comes first in a minute writes it down
    history.since(time.time() - 3600)   # [Minute(at, seconds, counts), …], and the one that goes

A person on one machine has no Prometheus. The counters that it would read are read here once a minute, and what
they grew by is a row of a small database in the home folder: a day of rows, and older ones go. Of several gateways
on a cluster each keeps its own.
"""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway import metrics

FILE = "history.db"
MINUTE_S = 60
KEPT_S = 24 * 3600 + 10 * MINUTE_S
# Labels that are counted by name in a minute; more are counted together.
MOST_LABELS = 50
OTHER = "(other)"
# What is counted bears one of these before the rest of its name.
SECONDS, CONFIDENCE, LABEL, DOUBT = "seconds ", "confidence ", "label ", "doubt "
PREDICT, BATCH = "/v1/predict", "/v1/predict/batch"
BUSY_S = 5.0
Counts = Mapping[str, float]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Minute:
    """What happened from a time on."""

    at: float
    seconds: float  # how much of it was counted
    counts: Counts


class History:
    """The minutes of one machine's gateway. Workers share the file, each with a history of its own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def begin(self) -> None:
        """Forget what the counters were: they begin again at nothing, with a new gateway.

        A file that is damaged is left for a new one: nobody should miss a gateway for its history.
        """
        try:
            with self._opened() as database:
                database.execute("DELETE FROM counters")
        except sqlite3.DatabaseError as error:
            log.warning("the history begins anew", extra={"why": str(error)})
            self._path.unlink(missing_ok=True)

    def sample(self) -> None:
        """Write down what the counters grew by, if nobody has in this minute."""
        with self._opened() as database:
            _write(database, time.time())

    def since(self, start: float) -> list[Minute]:
        """The minutes from a time on, the oldest first; the last is the one that goes."""
        try:
            minutes, at, before = self._read(start)
        except sqlite3.Error as error:
            log.warning("the history cannot be read", extra={"why": str(error)})
            return []
        if at is None:
            return minutes
        now = time.time()
        return [*minutes, Minute(at, now - at, _growth(before, totals()))]

    def _read(self, start: float) -> tuple[list[Minute], float | None, Counts]:
        with self._opened() as database:
            found = database.execute("SELECT at, seconds, counts FROM minutes WHERE at >= ? ORDER BY at", [start])
            minutes = [Minute(at, seconds, json.loads(counts)) for at, seconds, counts in found]
            return minutes, *_last(database)

    def watch(self) -> None:
        """Sample every minute in a thread of this worker, for as long as it lives."""
        threading.Thread(target=self._forever, name="history", daemon=True).start()

    def _forever(self) -> None:
        while True:
            try:
                self.sample()
            except (sqlite3.Error, OSError, ValueError) as error:
                log.warning("the last minute is not written down", extra={"why": str(error)})
            time.sleep(MINUTE_S - time.time() % MINUTE_S)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A transaction; the tables are made where they are not there."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = OFF")  # a minute that a power cut takes is no loss
            database.execute("BEGIN IMMEDIATE")
            database.execute("CREATE TABLE IF NOT EXISTS minutes (at REAL PRIMARY KEY, seconds REAL, counts TEXT)")
            database.execute("CREATE TABLE IF NOT EXISTS counters (at REAL, totals TEXT)")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def totals() -> dict[str, float]:
    """What was counted since the gateway began, of what a person looks at."""
    found: dict[str, float] = {}

    def add(name: str, value: float) -> None:
        found[name] = found.get(name, 0.0) + value

    for sample in metrics.every():
        labels, value = sample.labels, sample.value
        if sample.name == "binocular_requests_total" and labels["route"].startswith("/v1/"):
            predicts = labels["route"] in {PREDICT, BATCH}
            add(f"{'predict' if predicts else 'other'} {labels['status'][:1]}", value)
        elif sample.name == "binocular_request_seconds_bucket" and labels["route"] == PREDICT:
            add(f"{SECONDS}{labels['le']}", value)
        elif sample.name == "binocular_confidence_bucket":
            add(f"{CONFIDENCE}{labels['le']}", value)
        elif sample.name == "binocular_predictions_total":
            add(f"{LABEL}{labels['label']}", value)
        elif sample.name == "binocular_doubts_total":
            add(f"{DOUBT}{labels['doubt']}", value)
    return found


def _write(database: sqlite3.Connection, now: float) -> None:
    at, before = _last(database)
    if at is not None and now // MINUTE_S <= at // MINUTE_S:
        return
    present = totals()
    if at is not None:
        counts = json.dumps(_fewer_labels(_growth(before, present)))
        database.execute("INSERT OR REPLACE INTO minutes VALUES (?, ?, ?)", [at, now - at, counts])
        database.execute("DELETE FROM minutes WHERE at < ?", [now - KEPT_S])
    database.execute("DELETE FROM counters")
    database.execute("INSERT INTO counters VALUES (?, ?)", [now, json.dumps(present)])


def _last(database: sqlite3.Connection) -> tuple[float | None, Counts]:
    """When the counters were read last, and what they were."""
    row = database.execute("SELECT at, totals FROM counters").fetchone()
    return (float(row[0]), json.loads(row[1])) if row else (None, {})


def _growth(before: Counts, present: Counts) -> dict[str, float]:
    """What each counter grew by; one that is smaller than before began anew."""
    growth = {
        name: value - before[name] if value >= before.get(name, 0.0) and name in before else value
        for name, value in present.items()
    }
    return {name: value for name, value in growth.items() if value}


def _fewer_labels(counts: Counts) -> dict[str, float]:
    """With the most frequent labels by name, and the others as one."""
    labels = sorted((name for name in counts if name.startswith(LABEL)), key=lambda name: -counts[name])
    rare = labels[MOST_LABELS:]
    kept = {name: value for name, value in counts.items() if name not in rare}
    if rare:
        kept[f"{LABEL}{OTHER}"] = sum(counts[name] for name in rare)
    return kept
