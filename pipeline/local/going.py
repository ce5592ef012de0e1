"""A run that has not ended: what is known of it, and how that changes as its steps begin and end.

Nothing here is written to the database: `unsaved` names what has to be, and the engine does it.
"""

import time
from dataclasses import dataclass, field

from pipeline.local.attempt import Execution, Outcome, Place, backoff_s
from pipeline.local.inputs import Data, Result
from pipeline.local.plan import UNFINISHED, Node, Plan, Step
from pipeline.local.records import Row, now
from pipeline.local.values import Json

ENDED = ("SUCCEEDED", "FAILED")
TERMINATED = "terminated on request"
INTERNAL = 13  # the gRPC code of whatever went wrong while running
# What of a run's row only the engine changes, and its place among the paths of its tasks.
OWN_COLUMNS = ("state", "history", "error", "finished_at")
THE_RUN = ""


@dataclass
class Going:
    """A run under way. Only the engine changes it, holding its lock."""

    row: Row
    place: Place
    inputs: Data
    tasks: dict[str, Row]
    known: dict[str, Result]
    running: set[str] = field(default_factory=set)  # handed to a worker, or waiting for their next try
    executions: dict[str, Execution] = field(default_factory=dict)
    later: dict[str, tuple[float, Step]] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)
    canceling: bool = False

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.row["run_id"])

    def note(self, node: Node) -> None:
        """Bring a task's row up to what the plan says of it."""
        if node.path not in self.tasks:
            self.tasks[node.path] = _new_row(self.id, node)
        row, state = self.tasks[node.path], node.state
        if node.step and state == "RUNNING" and node.path not in self.executions:
            state = "PENDING"  # it waits for a worker, or for its next try
        if state == row["state"]:
            return
        row.update(changes(row, state), error=node.error or None, outputs=_plain(node.outputs), step=node.step)
        row["inputs"] = _plain(node.inputs)
        if state == "RUNNING":  # a group; of a step, `note_begun` tells
            row["started_at"] = row["started_at"] or now()
        elif state != "PENDING" and row["started_at"]:
            row["ended_at"] = now()
        self.unsaved.add(node.path)

    def note_begun(self, execution: Execution) -> None:
        """A step is about to begin."""
        row = self.tasks[execution.step.path]
        self.executions[execution.step.path] = execution
        row.update(changes(row, "RUNNING"), execution_id=execution.id, log=execution.log_uri)
        row["started_at"] = row["started_at"] or now()
        self.unsaved.add(execution.step.path)
        if self.row["state"] == "PENDING":
            self._change("RUNNING")

    def note_ended(self, step: Step, execution: Execution, outcome: Outcome) -> None:
        """A try at a step has ended: the step is done, or is tried once more later."""
        row, result = self.tasks[step.path], outcome.result
        del self.executions[step.path]
        self.unsaved.add(step.path)
        if result.state == "FAILED" and self.canceling:
            result = Result("CANCELED", result.outputs, TERMINATED)
        elif result.state == "FAILED":
            pause = backoff_s(step, len(row["failed_logs"]) + 1)
            if pause is not None:
                row.update(failed_logs=[*row["failed_logs"], execution.log_uri], execution_id=None)
                self.later[step.path] = (time.monotonic() + pause, step)
                return
        row["cached_from"] = outcome.cached_from
        if execution.log_uri not in self.place.artifacts.stored:
            row["log"] = None  # there was no process, or its log could not be stored
        self.running.discard(step.path)
        self.known[step.path] = result

    def cancel(self) -> None:
        """No further step begins; those that have not begun are forgotten."""
        self.canceling = True
        self._change("CANCELING")
        self.running &= set(self.executions)
        self.later.clear()

    def conclude(self, plan: Plan) -> None:
        """Say how it ended; what did not come to run is canceled."""
        for path, row in self.tasks.items():
            if row["state"] in UNFINISHED:
                row.update(changes(row, "CANCELED"))
                self.unsaved.add(path)
        if self.canceling:
            self._change("FAILED", TERMINATED)
        else:
            self._change(plan.state, plan.result.error)

    def _change(self, state: str, error: str = "") -> None:
        self.row.update(changes(self.row, state, error))
        self.unsaved.add(THE_RUN)


def changes(row: Row, state: str, error: str = "") -> Row:
    """The changes that bring a row into a state."""
    made: Row = {"state": state, "history": [*row["history"], {"update_time": now(), "state": state}]}
    if error:
        made["history"][-1]["error"] = {"code": INTERNAL, "message": error}
    if "finished_at" in row and state in ENDED:
        made.update(finished_at=now(), error=error or None)
    return made


def _new_row(run_id: str, node: Node) -> Row:
    unset = dict.fromkeys(("started_at", "ended_at", "execution_id", "log", "cached_from", "error"))
    own = {"run_id": run_id, "path": node.path, "name": node.name, "parent": node.parent, "step": node.step}
    empty = {"inputs": _plain(Data()), "outputs": _plain(Data()), "history": [], "failed_logs": []}
    return {**unset, **own, **empty, "state": "", "created_at": now()}


def _plain(data: Data) -> Json:
    return {"parameters": data.parameters, "artifacts": data.artifacts}
