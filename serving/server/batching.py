"""Requests merged into batches: limits, padding to allowed sizes, splitting, as TensorFlow Serving does it.

    scheduler = Scheduler(Batching(threads=2, max_size=32))
    engine = Batched(engine, scheduler)      # an engine like any other, whose `run` waits for its batch

A batch is run when it is full, or when its first request waited `timeout_s` and a thread is free.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from binocular.wire.codes import StatusCode
from binocular.wire.tensors import Array
from serving.server.batchparameters import Batching
from serving.server.deadline import Deadline
from serving.server.engines import Engine
from serving.server.signature import Signature, Signatures
from serving.server.status import ServingError, invalid


@dataclass(eq=False)
class _Task:
    """A request, or a piece of one."""

    inputs: Mapping[str, Array]
    rows: int
    deadline: Deadline
    done: threading.Event = field(default_factory=threading.Event)
    answer: dict[str, Array] | None = None
    error: Exception | None = None


@dataclass(eq=False)
class _Batch:
    began: float
    tasks: list[_Task] = field(default_factory=list)
    rows: int = 0


@dataclass(eq=False)
class _Queue:
    """Batches of one engine, one signature and one choice of outputs."""

    engine: Engine
    signature: Signature
    outputs: tuple[str, ...]
    batches: deque[_Batch] = field(default_factory=deque)


class Scheduler:
    """The threads that run batches, shared by all models."""

    def __init__(self, batching: Batching) -> None:
        self.batching = batching
        self._changed = threading.Condition()
        self._queues: deque[_Queue] = deque()  # those that have batches
        for number in range(batching.threads):
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True).start()

    def submit(self, queue: _Queue, tasks: list[_Task]) -> None:
        """Queue all of these tasks or, where there is no room, none: UNAVAILABLE."""
        limit, most = self.batching.execution, self.batching.max_enqueued
        with self._changed:
            open_rows = queue.batches[-1].rows if queue.batches else limit
            needed = 0
            for task in tasks:
                if open_rows + task.rows > limit:
                    needed, open_rows = needed + 1, 0
                open_rows += task.rows
            if len(queue.batches) + needed > most:
                raise ServingError(
                    StatusCode.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full; currently "
                    f"{len(queue.batches)} batches enqueued and max_enqueued_batches is {most}",
                )
            if not queue.batches:
                self._queues.append(queue)
            for task in tasks:
                if not queue.batches or queue.batches[-1].rows + task.rows > limit:
                    queue.batches.append(_Batch(time.monotonic()))
                queue.batches[-1].tasks.append(task)
                queue.batches[-1].rows += task.rows
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            queue, batch = self._next()
            try:
                self._run(queue, [task for task in batch.tasks if _still_wanted(task)])
            except Exception as error:  # noqa: BLE001 - belongs to the requests of this batch, each of which raises it
                for task in batch.tasks:
                    task.error = task.error or error
            for task in batch.tasks:
                task.done.set()

    def _next(self) -> tuple[_Queue, _Batch]:
        """Wait for a batch that is full, or old enough."""
        with self._changed:
            while True:
                now, wait = time.monotonic(), None
                for queue in list(self._queues):
                    batch = queue.batches[0]
                    left = batch.began + self.batching.timeout_s - now
                    if left <= 0 or len(queue.batches) > 1 or batch.rows >= self.batching.execution:
                        queue.batches.popleft()
                        self._queues.remove(queue)
                        if queue.batches:
                            self._queues.append(queue)  # its next batch waits for the other queues' turn
                        return queue, batch
                    wait = left if wait is None else min(wait, left)
                self._changed.wait(wait)

    def _run(self, queue: _Queue, tasks: list[_Task]) -> None:
        if not tasks:
            return
        rows = sum(task.rows for task in tasks)
        size = self.batching.padded(rows)
        inputs = {alias: self._merge(alias, tasks, size - rows) for alias in tasks[0].inputs}
        latest = [task.deadline.end for task in tasks]
        deadline = Deadline(None if None in latest else max(end for end in latest if end is not None))
        outputs = queue.engine.run(queue.signature, inputs, queue.outputs, deadline)
        for array in outputs.values():
            _check_output(array, size)
        at = 0
        for task in tasks:
            task.answer = {alias: array[at : at + task.rows] for alias, array in outputs.items()}
            at += task.rows

    def _merge(self, alias: str, tasks: list[_Task], padding: int) -> Array:
        """One tensor of all tasks' rows, and copies of the last task's first row behind them."""
        arrays = [task.inputs[alias] for task in tasks]
        if len({array.shape[1:] for array in arrays}) > 1:
            if not self.batching.pad_inner or len({array.ndim for array in arrays}) > 1:
                raise ServingError(
                    StatusCode.FAILED_PRECONDITION,
                    f"Tensors with name '{alias}' from different tasks have different shapes and padding is "
                    "turned off. Set pad_variable_length_inputs to true, or ensure that all tensors with the same "
                    "name have equal dimensions starting with the first dim.",
                )
            arrays = _pad_inner(arrays)
        return np.concatenate([*arrays, *[arrays[-1][:1]] * padding])


def _pad_inner(arrays: list[Array]) -> list[Array]:
    """Zeros behind what is shorter, in each dimension but the first."""
    largest = np.max([array.shape[1:] for array in arrays], axis=0)
    return [
        np.pad(
            array, [(0, 0), *((0, int(want - has)) for want, has in zip(largest, array.shape[1:], strict=True))]
        )
        for array in arrays
    ]


def _check_output(array: Array, size: int) -> None:
    if array.ndim == 0:
        raise ServingError(StatusCode.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
    if len(array) != size:
        raise ServingError(
            StatusCode.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        )


def _still_wanted(task: _Task) -> bool:
    try:
        task.deadline.check()
    except ServingError:
        task.error = ServingError(
            StatusCode.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue"
        )
    return task.error is None


class Batched:
    """An engine whose requests are merged."""

    def __init__(self, engine: Engine, scheduler: Scheduler) -> None:
        self._engine, self._scheduler = engine, scheduler
        self._queues: dict[tuple[str, tuple[str, ...]], _Queue] = {}
        self._lock = threading.Lock()
        self.name = engine.name

    @property
    def signatures(self) -> Signatures:
        """What it can be asked."""
        return self._engine.signatures

    def run(
        self, signature: Signature, inputs: Mapping[str, Array], outputs: Sequence[str], deadline: Deadline
    ) -> dict[str, Array]:
        """These outputs for these inputs, out of a batch."""
        rows, batching = _rows(inputs), self._scheduler.batching
        if rows > batching.max_size:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {batching.max_size}")
        step = batching.execution
        tasks = [
            _Task(
                {alias: array[at : at + step] for alias, array in inputs.items()}, min(step, rows - at), deadline
            )
            for at in range(0, max(rows, 1), step)
        ]
        self._scheduler.submit(self._queue(signature, tuple(outputs)), tasks)
        answers = [_wait(task) for task in tasks]
        if len(answers) == 1:
            return answers[0]
        return {alias: np.concatenate([answer[alias] for answer in answers]) for alias in outputs}

    def _queue(self, signature: Signature, outputs: tuple[str, ...]) -> _Queue:
        with self._lock:
            key = (signature.key, outputs)
            if key not in self._queues:
                self._queues = {
                    key: it for key, it in self._queues.items() if it.batches
                }  # callers choose outputs
                self._queues[key] = _Queue(self._engine, signature, outputs)
            return self._queues[key]

    def close(self) -> None:
        """Close the engine; nobody waits for a batch any more."""
        self._engine.close()


def _rows(inputs: Mapping[str, Array]) -> int:
    """Rows of a request, which all its inputs must have."""
    if any(array.ndim == 0 for array in inputs.values()):
        raise invalid("Batching Run() input tensors must have at least one dimension")
    counts = {len(array) for array in inputs.values()}
    if len(counts) > 1:
        raise invalid("Batching session Run() input tensors must have equal 0th-dimension size")
    return counts.pop() if counts else 0


def _wait(task: _Task) -> dict[str, Array]:
    if not task.done.wait(task.deadline.remaining()):
        task.deadline.check()
        task.done.wait()
    if task.error is not None:
        raise task.error
    if task.answer is None:
        raise AssertionError("a task ended with neither answer nor error")
    return task.answer
