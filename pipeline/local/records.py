"""What the server remembers: experiments, pipelines, runs, tasks, schedules and the cache, in one SQLite file.

    records = Records(folder / "pipelines.db")
    records.insert("experiments", {"experiment_id": "…", "display_name": "Default", …})
    records.get("runs", run_id)          # {"run_id": …, "state": "RUNNING", …}, or NotFoundError

A change is in the file, and on the disk, when the call returns (write-ahead log, synchronous): after a crash
or a reboot nothing that was acknowledged is lost. Columns that hold structures are JSON and come back as values.
Any number of threads may read and write.
"""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from binocular.errors import ConflictError, NotFoundError, ProcessError
from pipeline.local.values import Json, Value

FORMAT = 1
PATIENCE_S = 30.0
# Each table's columns, the first of which (for tasks: the first two) is its key.
TABLES = {
    "experiments": (
        "experiment_id", "display_name", "description", "created_at", "last_run_created_at", "storage_state",
    ),
    "pipelines": ("pipeline_id", "name", "display_name", "description", "created_at"),
    "versions": (
        "pipeline_version_id", "pipeline_id", "name", "display_name", "description", "created_at", "document",
    ),
    "runs": (
        "run_id", "experiment_id", "display_name", "description", "created_at", "scheduled_at", "finished_at",
        "state", "storage_state", "recurring_run_id", "pipeline_id", "pipeline_version_id", "service_account",
        "document", "parameters", "pipeline_root", "error", "history",
    ),
    "tasks": (
        "run_id", "path", "name", "parent", "step", "state", "created_at", "started_at", "ended_at", "inputs",
        "outputs", "error", "history", "execution_id", "log", "failed_logs", "cached_from",
    ),
    "recurring": (
        "recurring_run_id", "experiment_id", "display_name", "description", "created_at", "updated_at", "status",
        "pipeline_id", "pipeline_version_id", "service_account", "document", "parameters", "pipeline_root",
        "max_concurrency", "no_catchup", "trigger", "last_due", "count",
    ),
    "cache": ("fingerprint", "outputs", "run_id", "path", "execution_id", "created_at"),
}  # fmt: skip
STRUCTURED = {"document", "parameters", "history", "inputs", "outputs", "failed_logs", "trigger"}
UNIQUE = {"experiments": "display_name", "pipelines": "name", "versions": "pipeline_id, name"}
INDEXES = {"runs": ("created_at", "experiment_id", "recurring_run_id"), "versions": ("pipeline_id",)}
Row = dict[str, Value]


def now() -> str:
    """The time, as the API writes it; such texts sort as the times do."""
    return stamp(datetime.now(UTC))


def stamp(when: datetime) -> str:
    """A time as the API writes it."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Records:
    """One database file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._writing = threading.RLock()
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise ProcessError(
                f"{path}: {error}; restore it, or move it away to begin without past runs"
            ) from None

    def _prepare(self) -> None:
        with self.writing() as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in {0, FORMAT}:
                raise ProcessError(
                    f"{self._path} has format {version}; this release reads {FORMAT}: upgrade Binocular"
                )
            for table, columns in TABLES.items():
                key = ", ".join(columns[:2] if table == "tasks" else columns[:1])
                unique = f", UNIQUE ({UNIQUE[table]})" if table in UNIQUE else ""
                text = f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}, PRIMARY KEY ({key}){unique})"
                database.execute(text)
                for column in INDEXES.get(table, ()):
                    database.execute(f"CREATE INDEX IF NOT EXISTS {table}_{column} ON {table} ({column})")
            database.execute(f"PRAGMA user_version = {FORMAT}")

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found = getattr(self._local, "connection", None)
        if not isinstance(found, sqlite3.Connection):
            found = sqlite3.connect(self._path, timeout=PATIENCE_S, isolation_level=None)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = FULL")
            self._local.connection = found
        return found

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Changes that are made together or not at all. May be nested; the outermost one decides."""
        with self._writing:
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.OperationalError):  # where the failure ended it already
                    connection.execute("ROLLBACK")
                raise

    def insert(self, table: str, row: Row) -> None:
        """Add a row; ConflictError where one with its key or name is there."""
        try:
            self._put("INSERT", table, row)
        except sqlite3.IntegrityError:
            name = row.get("display_name") or row.get("name") or next(iter(row.values()))
            raise ConflictError(
                f"{table.removesuffix('s')} {name!r} exists already; choose another name"
            ) from None

    def replace(self, table: str, row: Row) -> None:
        """Write a row in place of the one with its key, if there is one."""
        self._put("INSERT OR REPLACE", table, row)

    def _put(self, verb: str, table: str, row: Row) -> None:
        names = [name for name in TABLES[table] if name in row]
        marks = ", ".join("?" * len(names))
        with self.writing() as database:
            database.execute(
                f"{verb} INTO {table} ({', '.join(names)}) VALUES ({marks})",
                [_stored(name, row[name]) for name in names],
            )

    def update(self, table: str, key: str, changes: Row) -> None:
        """Change some columns of a row; NotFoundError where it is not there."""
        if not self.update_all(table, f"{TABLES[table][0]} = ?", [key], changes):
            raise NotFoundError(f"{table.removesuffix('s')} {key} is not there")

    def update_all(self, table: str, where: str, values: Iterable[Value], changes: Row) -> int:
        """Change some columns of the rows for which a condition holds; how many there were."""
        names = [name for name in TABLES[table] if name in changes]
        pairs = ", ".join(f"{name} = ?" for name in names)
        with self.writing() as database:
            done = database.execute(
                f"UPDATE {table} SET {pairs} WHERE {where}",  # noqa: S608 - never a user's text
                [*(_stored(name, changes[name]) for name in names), *values],
            )
        return done.rowcount

    def delete(self, table: str, key: str) -> None:
        """Remove a row (of tasks: all of a run); NotFoundError where there is none."""
        with self.writing() as database:
            done = database.execute(f"DELETE FROM {table} WHERE {TABLES[table][0]} = ?", [key])  # noqa: S608
        if not done.rowcount and table != "tasks":
            raise NotFoundError(f"{table.removesuffix('s')} {key} is not there")

    def get(self, table: str, key: str) -> Row:
        """A row by its key; NotFoundError where there is none."""
        found = self.find(table, f"{TABLES[table][0]} = ?", [key])
        if not found:
            raise NotFoundError(f"{table.removesuffix('s')} {key} is not there")
        return found[0]

    def find(self, table: str, where: str = "1", values: Iterable[Value] = (), order: str = "") -> list[Row]:
        """The rows for which a condition holds. `where` and `order` are never a user's text, `values` may be."""
        text = f"SELECT * FROM {table} WHERE {where} {f'ORDER BY {order}' if order else ''}"  # noqa: S608
        return [_loaded(row) for row in self._connection().execute(text, list(values))]

    def count(self, table: str, where: str = "1", values: Iterable[Value] = ()) -> int:
        """How many rows a condition holds for."""
        text = f"SELECT COUNT(*) FROM {table} WHERE {where}"  # noqa: S608 - never a user's text
        return int(self._connection().execute(text, list(values)).fetchone()[0])


def _stored(name: str, value: Value) -> Value:
    return json.dumps(value) if name in STRUCTURED and value is not None else value


def _loaded(row: sqlite3.Row) -> Row:
    names: Json = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over its values
    return {n: json.loads(v) if n in STRUCTURED and v is not None else v for n, v in names.items()}
