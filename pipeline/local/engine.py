"""The scheduler: it carries runs from their records to their end, several steps at once.

All it knows about a run is what `plan.look` makes of the finished steps; each change is in the database before
anything builds on it. So after a crash `start` ends the processes that were left, and every unfinished run goes
on from its finished steps. A step whose process was lost starts again; at no time are there two of it.
"""

import logging
import shutil
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from binocular.errors import BinocularError, ConflictError, RequestError
from binocular.store import Store
from pipeline.local import inputs, task
from pipeline.local.artifacts import Artifacts, root_of
from pipeline.local.attempt import Execution, Place, perform
from pipeline.local.going import ENDED, OWN_COLUMNS, TERMINATED, THE_RUN, Going, changes
from pipeline.local.inputs import Data, Result
from pipeline.local.package import vet
from pipeline.local.plan import UNFINISHED, Plan, Step, look
from pipeline.local.prepare import write_shims
from pipeline.local.records import Records, Row, now

TICK_S = 0.2
RUNS = "runs"
DELETE_WITHIN_S = 30.0

log = logging.getLogger(__name__)


class Engine:
    """One scheduler over one database. Its public methods may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        records: Records,
        store: Store,
        components: Path,
        parallel: int,
        environment: Mapping[str, str],
    ) -> None:
        self._folder, self._records, self._store, self._components = folder, records, store, components
        self._environment = {**environment, task.SERVER_MARK: str(folder)}
        self._pool = ThreadPoolExecutor(parallel, "step")
        self._lock = threading.RLock()
        self._ended = threading.Condition(self._lock)
        self._going: dict[str, Going] = {}
        self._closing = threading.Event()
        self._clock = threading.Thread(target=self._tick_on, name="clock", daemon=True)
        self.every_tick: list[Callable[[], None]] = []

    def start(self) -> None:
        """End what an earlier server left behind, and go on with every unfinished run."""
        write_shims(self._folder / "bin")
        left = task.marked(task.SERVER_MARK, str(self._folder))
        if left:
            log.warning("ending steps an earlier server left", extra={"pids": [each.pid for each in left]})
            task.end_all(left)
        shutil.rmtree(self._folder / RUNS, ignore_errors=True)  # what finished is in the store
        for row in self._records.find("runs", "state NOT IN (?, ?)", ENDED, "created_at"):
            self.begin(row["run_id"])
        self._clock.start()

    def close(self) -> None:
        """End every step's process and start no more. The runs go on when a server starts again."""
        self._closing.set()
        with self._lock:
            executions = [each for run in self._going.values() for each in run.executions.values()]
        _stop_all(executions, "the server was stopped")
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._clock.is_alive():
            self._clock.join()

    # What the API asks for

    def write_down(self, row: Row) -> str:
        """Put a new run into the records, as pending; its id. `begin` takes it up."""
        state = {"state": "PENDING", "history": [{"update_time": now(), "state": "PENDING"}]}
        row = {"run_id": str(uuid.uuid4()), "storage_state": "AVAILABLE", **state, **row}
        with self._records.writing():
            self._records.insert("runs", row)
            if self._records.count("experiments", "experiment_id = ?", [row["experiment_id"]]):
                self._records.update(
                    "experiments", row["experiment_id"], {"last_run_created_at": row["created_at"]}
                )
        return str(row["run_id"])

    def begin(self, run_id: str) -> None:
        """Take up a run that is in the records."""
        row = self._records.get("runs", run_id)
        rows = {each["path"]: each for each in self._records.find("tasks", "run_id = ?", [run_id])}
        try:
            run = self._taken_up(row, rows)
        except BinocularError as error:  # a package that an older release took, or a store that was changed
            self._records.update("runs", run_id, changes(row, "FAILED", str(error)))
            return
        except Exception as error:  # one run's defect must not keep the server from starting
            log.exception("run not taken up", extra={"run": run_id})
            self._records.update("runs", run_id, changes(row, "FAILED", f"{type(error).__name__}: {error}"))
            return
        with self._lock:
            self._going[run_id] = run
            run.canceling = row["state"] == "CANCELING"
            self._advance(run)

    def terminate(self, run_id: str) -> None:
        """End a run: every process of it within seconds, then FAILED, with CANCELING in its history."""
        with self._lock:
            run = self._going.get(run_id)
            if run is None:
                state = self._records.get("runs", run_id)["state"]
                raise RequestError(f"run {run_id} has ended already ({state}); it cannot be terminated")
            if run.canceling:
                return
            run.cancel()
            executions = list(run.executions.values())
            self._advance(run)
        threading.Thread(target=_stop_all, args=(executions, TERMINATED), daemon=True).start()

    def retry(self, run_id: str) -> None:
        """Do a failed run's unsuccessful steps again; what succeeded is kept."""
        with self._lock:
            row = self._records.get("runs", run_id)
            if run_id in self._going or row["state"] != "FAILED":
                raise RequestError(f"run {run_id} is {row['state']}; only a failed run can be retried")
            kept = {
                each["path"]: each
                for each in self._records.find("tasks", "run_id = ?", [run_id])
                if each["step"] and each["state"] == "SUCCEEDED"
            }
            run = self._taken_up(row, kept)
            while again := [n.path for n in self._look(run).nodes if n.path in run.known and n.state == "PENDING"]:
                for path in again:  # it came behind one that failed: an exit handler
                    del run.known[path], run.tasks[path]
            row.update({**changes(row, "PENDING"), "finished_at": None, "error": None})
            with self._records.writing():
                self._records.delete("tasks", run_id)
                for each in run.tasks.values():
                    self._records.insert("tasks", each)
                self._records.update("runs", run_id, {key: row[key] for key in OWN_COLUMNS})
            self._going[run_id] = run
            self._advance(run)

    def delete(self, run_id: str) -> None:
        """Remove a run's record, ending the run first if it is going. Its artifacts stay in the store."""
        self._records.get("runs", run_id)
        with self._lock:
            if run_id in self._going:
                self.terminate(run_id)
            if not self._ended.wait_for(lambda: run_id not in self._going, DELETE_WITHIN_S):
                raise ConflictError(f"run {run_id} does not end; try again later")
            with self._records.writing():
                self._records.delete("runs", run_id)
                self._records.delete("tasks", run_id)

    # One run

    def _taken_up(self, row: Row, rows: dict[str, Row]) -> Going:
        package = vet(row["document"])
        root = root_of(row["pipeline_root"] or package.pipeline_root, self._store.endpoint.bucket)
        texts = {
            "job_name": str(row["display_name"]),
            "job_resource_name": f"{package.name}-{row['run_id'][:8]}",
            "job_id": str(row["run_id"]),
            "root": root,
            "created": str(row["created_at"]),
            "scheduled": str(row["scheduled_at"]),
        }
        place = Place(
            run_id=str(row["run_id"]),
            package=package,
            root=root,
            texts=texts,
            artifacts=Artifacts(self._store, self._folder / RUNS / uuid.uuid4().hex[:12]),
            components=self._components,
            shims=self._folder / "bin",
            environment=self._environment,
            records=self._records,
        )
        known = {
            path: Result(each["state"], Data(**each["outputs"]), each["error"] or "")
            for path, each in rows.items()
            if each["step"] and each["execution_id"] and each["state"] in {*ENDED, "CANCELED"}
        }
        return Going(row, place, inputs.of_run(package.root, row["parameters"]), rows, known)

    def _look(self, run: Going) -> Plan:
        try:
            return look(run.place.package, run.inputs, run.known, run.running, run.place.texts)
        except Exception as error:  # a defect must end its run, not hold it for ever
            log.exception("run cannot go on", extra={"run": run.id})
            return Plan(Result("FAILED", error=f"the run cannot go on: {type(error).__name__}: {error}"))

    def _advance(self, run: Going) -> None:
        """Look at a run, start what can start, write down what changed, and end it when nothing is left."""
        plan = self._look(run)
        for node in plan.nodes:
            run.note(node)
        if not run.canceling and not self._closing.is_set():
            for step in plan.ready:
                run.running.add(step.path)
                self._pool.submit(self._work, run, step)
        over = not run.running and (run.canceling or plan.state not in UNFINISHED)
        if over and run.row["state"] not in ENDED:  # it may have ended before, and could not be written
            run.conclude(plan)
        if self._save(run) and over:
            self._forget(run)

    def _save(self, run: Going) -> bool:
        """Write what changed; what cannot be written now (a full disk) is tried again at every tick."""
        try:
            with self._records.writing():
                for path in run.unsaved:
                    if path != THE_RUN:
                        self._records.replace("tasks", run.tasks[path])
                    else:
                        self._records.update("runs", run.id, {key: run.row[key] for key in OWN_COLUMNS})
        except sqlite3.OperationalError as error:
            log.error("records not written", extra={"run": run.id, "reason": str(error)})  # noqa: TRY400
            return False
        run.unsaved.clear()
        return True

    def _forget(self, run: Going) -> None:
        self._going.pop(run.id, None)
        self._ended.notify_all()
        threading.Thread(target=run.place.artifacts.discard, daemon=True).start()
        log.info("run ended", extra={"run": run.id, "state": run.row["state"]})

    # One step

    def _work(self, run: Going, step: Step) -> None:
        """A worker's turn at a step. Whatever happens, the run hears how it ended."""
        try:
            self._work_on(run, step)
        except Exception as error:
            log.exception("step lost", extra={"run": run.id, "step": step.path})
            with self._lock:
                run.executions.pop(step.path, None)
                run.running.discard(step.path)
                run.known[step.path] = Result("FAILED", error=f"{type(error).__name__}: {error}")
                self._advance(run)

    def _work_on(self, run: Going, step: Step) -> None:
        with self._lock:
            if run.canceling or self._closing.is_set() or step.path not in run.running:
                return
            execution = Execution.of(run.place, step)
            run.note_begun(execution)
            self._save(run)
        outcome = perform(execution)
        with self._lock:
            if not self._closing.is_set():
                run.note_ended(step, execution, outcome)
                self._advance(run)

    def _tick_on(self) -> None:
        """Start the tries that are due, write what could not be written, and let others tick."""
        while not self._closing.wait(TICK_S):
            try:
                self._tick()
            except Exception:
                log.exception("tick failed")

    def _tick(self) -> None:
        with self._lock:
            for run in list(self._going.values()):
                for path, (due, step) in list(run.later.items()):
                    if due <= time.monotonic():
                        del run.later[path]
                        self._pool.submit(self._work, run, step)
                if run.unsaved:
                    self._advance(run)
        for each in self.every_tick:
            each()


def _stop_all(executions: list[Execution], why: str) -> None:
    """Stop several processes at once: their graces must not add up."""
    threads = [threading.Thread(target=each.process.stop, args=(why,)) for each in executions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
