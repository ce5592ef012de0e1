"""Recurring runs: each time that is due becomes exactly one run, also across crashes and pauses."""

import logging
import time
from datetime import UTC, datetime

from binocular.errors import BinocularError
from pipeline.local.engine import Engine
from pipeline.local.going import ENDED
from pipeline.local.records import Records, Row, now, stamp
from pipeline.local.schedule import last_due, moment, next_due

LOOK_EVERY_S = 1.0
COPIED = (
    "recurring_run_id", "experiment_id", "description", "service_account", "document", "parameters",
    "pipeline_root", "pipeline_id", "pipeline_version_id",
)  # fmt: skip

log = logging.getLogger(__name__)


class Schedules:
    """Makes the runs that are due, as often as `tick` is called."""

    def __init__(self, records: Records, engine: Engine) -> None:
        self._records, self._engine = records, engine
        self._next_look = 0.0

    def tick(self) -> None:
        """Make the runs that are due now."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_EVERY_S
        for row in self._records.find("recurring", "status = 'ENABLED'"):
            try:
                while self._make_one(row):
                    pass
            except BinocularError as error:
                log.error("recurring run not made", extra={"id": row["recurring_run_id"], "reason": str(error)})  # noqa: TRY400

    def _make_one(self, row: Row) -> bool:
        """Make the next run of a schedule, if one is due and there is room for it."""
        due_now = last_due if row["no_catchup"] else next_due
        due = due_now(row["trigger"], moment(row["last_due"]), datetime.now(UTC))
        if due is None:
            return False
        key = row["recurring_run_id"]
        going = self._records.count("runs", "recurring_run_id = ? AND state NOT IN (?, ?)", [key, *ENDED])
        if going >= row["max_concurrency"]:
            return False
        row["last_due"], row["count"] = stamp(due), row["count"] + 1
        name = f"{row['display_name']} {row['count']}"
        run = {**{column: row[column] for column in COPIED}, "display_name": name}
        with self._records.writing():
            if not self._records.count("recurring", "recurring_run_id = ? AND status = 'ENABLED'", [key]):
                return False  # disabled or deleted since we looked
            run_id = self._engine.write_down({**run, "created_at": now(), "scheduled_at": stamp(due)})
            self._records.update("recurring", key, {"last_due": row["last_due"], "count": row["count"]})
        self._engine.begin(run_id)
        return True
