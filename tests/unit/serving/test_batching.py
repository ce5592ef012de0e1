import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from binocular.errors import SettingError
from binocular.wire.codes import StatusCode
from serving.server.batching import Batched, Scheduler
from serving.server.batchparameters import Batching, read_file
from serving.server.deadline import Deadline
from serving.server.status import ServingError
from tests.servers import wait_until
from tests.unit.serving.engines import DOUBLES, Doubling


def batched(**parameters: Any) -> tuple[Doubling, Batched]:
    engine = Doubling()
    return engine, Batched(engine, Scheduler(Batching(**{"threads": 1, **parameters})))


def ask(engine: Batched, rows: int, width: int = 1, deadline: Deadline = Deadline()) -> Any:  # noqa: B008
    x = np.arange(rows * width, dtype=np.float32).reshape(rows, width)
    return engine.run(DOUBLES, {"x": x}, ["y"], deadline)["y"]


def test_requests_are_merged_and_answered_apart() -> None:
    inner, engine = batched(max_size=8, timeout_s=30.0)
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda rows: ask(engine, rows), [1, 2, 3, 2]))
    assert [answer[:, 0].tolist() for answer in answers] == [[0], [0, 2], [0, 2, 4], [0, 2]]
    assert inner.sizes == [8]


def test_a_batch_is_filled_up_to_an_allowed_size_and_nobody_sees_it() -> None:
    inner, engine = batched(max_size=8, allowed=(4, 8))
    assert ask(engine, 3).shape == (3, 1)
    assert ask(engine, 5).shape == (5, 1)
    assert inner.sizes == [4, 8]


def test_a_request_is_cut_only_where_that_is_allowed() -> None:
    inner, engine = batched(max_size=8)
    with pytest.raises(ServingError, match="Task size 9 is larger than maximum input batch size 8"):
        ask(engine, 9)
    inner, engine = batched(max_size=100, split=True, max_execution=8)
    assert ask(engine, 20)[:, 0].tolist() == [2 * n for n in range(20)]
    assert inner.sizes == [8, 8, 4]


def test_a_full_queue_refuses_at_once() -> None:
    inner, engine = batched(max_size=1, max_enqueued=2)
    inner.open.clear()
    with ThreadPoolExecutor(3) as callers:
        running = callers.submit(ask, engine, 1)
        queue = engine._queue(DOUBLES, ("y",))
        wait_until(lambda: inner.sizes == [] and not queue.batches and not running.done())
        waiting = [callers.submit(ask, engine, 1) for _ in range(2)]
        wait_until(lambda: len(queue.batches) == 2)
        with pytest.raises(
            ServingError, match="currently 2 batches enqueued and max_enqueued_batches is 2"
        ) as error:
            ask(engine, 1)
        assert error.value.canonical is StatusCode.UNAVAILABLE
        inner.open.set()
        for call in [running, *waiting]:
            assert call.result(30).shape == (1, 1)


def test_shapes_that_do_not_fit_together_fail_or_are_padded() -> None:
    for pad in (False, True):
        _, engine = batched(max_size=2, timeout_s=30.0, pad_inner=pad)
        with ThreadPoolExecutor(2) as callers:
            calls = [callers.submit(ask, engine, 1, width) for width in (2, 3)]
            if pad:
                assert [call.result(30).shape for call in calls] == [(1, 3), (1, 3)]
                continue
            for call in calls:
                with pytest.raises(ServingError, match="different shapes and padding is turned off"):
                    call.result(30)


def test_what_nobody_waits_for_is_not_run() -> None:
    inner, engine = batched(max_size=1, max_enqueued=5)
    inner.open.clear()
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(ask, engine, 1)
        wait_until(lambda: not engine._queue(DOUBLES, ("y",)).batches)
        late = callers.submit(ask, engine, 1, 1, Deadline.within(0.05))
        with pytest.raises(ServingError) as error:
            late.result(30)
        assert error.value.canonical is StatusCode.DEADLINE_EXCEEDED
        inner.open.set()
        first.result(30)
        ask(engine, 1)
    assert len(inner.sizes) == 2


def test_an_error_belongs_to_everybody_in_the_batch() -> None:
    inner, engine = batched(max_size=2, timeout_s=30.0)
    inner.run = lambda *_: (_ for _ in ()).throw(RuntimeError("broken"))  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as callers:
        for call in [callers.submit(ask, engine, 1) for _ in range(2)]:
            with pytest.raises(RuntimeError, match="broken"):
                call.result(30)


def test_inputs_need_rows() -> None:
    _, engine = batched()
    with pytest.raises(ServingError, match="at least one dimension"):
        engine.run(DOUBLES, {"x": np.float32(1)}, ["y"], Deadline())  # type: ignore[dict-item]
    with pytest.raises(ServingError, match="equal 0th-dimension size"):
        engine.run(DOUBLES, {"x": np.zeros((1, 1)), "z": np.zeros((2, 1))}, ["y"], Deadline())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("max_batch_size { value: 0 }", "from 1"),
        ("allowed_batch_sizes: 8 allowed_batch_sizes: 4", "increasing order"),
        ("max_batch_size { value: 9 } allowed_batch_sizes: 4", "last entry was 4; expected 9"),
        ("max_batch_size: 9", "Error parsing text-format tensorflow.serving.BatchingParameters"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(SettingError, match=complaint):
        read_file(tmp_path / "f", 2)


def test_the_defaults_are_the_originals() -> None:
    assert read_file(None, 2) == Batching(threads=2, max_size=1000, timeout_s=0, max_enqueued=10)
    assert threading.active_count() < 100
