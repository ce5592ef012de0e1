import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from binocular.wire.codes import StatusCode
from serving.server.deadline import Deadline
from serving.server.engines.lanes import Lanes
from serving.server.engines.rows import Rows
from serving.server.status import ServingError
from tests.servers import wait_until


def test_every_row_is_done_once_whoever_else_asks() -> None:
    lanes = Lanes(["a", "b", "c"])
    rows = Rows(lanes, workers=3)

    def ask(size: int) -> None:
        done = list[int]()
        rows.each(size, lambda _, row: done.append(row), Deadline())
        assert sorted(done) == list(range(size))

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(ask, [1, 2, 3, 7, 64] * 40))
    assert lanes.idle == 3
    rows.close()


def test_all_workers_that_are_free_do_rows_at_the_same_time() -> None:
    rows = Rows(Lanes(["a", "b", "c"]), workers=3)
    together = threading.Barrier(3, timeout=10)

    def do(_worker: str, _row: int) -> None:
        together.wait()

    rows.each(3, do, Deadline())
    rows.close()


def test_nobody_helps_while_others_want_the_workers() -> None:
    lanes, threads = Lanes(["a", "b"]), Counter[str]()
    rows = Rows(lanes, workers=2)

    def do(_worker: str, _row: int) -> None:
        threads[threading.current_thread().name] += 1

    with lanes.lease(Deadline()):
        rows.each(20, do, Deadline())
    assert threads == {threading.current_thread().name: 20}
    rows.close()


def test_a_worker_that_is_given_back_meanwhile_helps() -> None:
    lanes, numbers = Lanes(["a", "b"]), count()
    rows = Rows(lanes, workers=2)
    together = threading.Barrier(2, timeout=10)
    other = lanes.lease(Deadline())
    other.__enter__()

    def do(_worker: str, _row: int) -> None:
        number = next(numbers)
        if number == 2:
            other.__exit__()
        elif number > 2:  # done by both, or this never ends
            together.wait()

    rows.each(7, do, Deadline())
    assert lanes.idle == 2
    rows.close()


def test_a_row_that_fails_fails_the_request() -> None:
    rows, done = Rows(Lanes(["a", "b"]), workers=2), list[int]()

    def do(_worker: str, row: int) -> None:
        if row == 1:
            raise ValueError("row 1")
        done.append(row)

    with pytest.raises(ValueError, match="row 1"):
        rows.each(1000, do, Deadline())
    rows.close()


def test_rows_end_with_the_deadline_of_who_asks() -> None:
    lanes = Lanes(["only"])
    rows = Rows(lanes, workers=1)
    with lanes.lease(Deadline()), ThreadPoolExecutor(1) as callers:
        asked = callers.submit(rows.each, 2, lambda _worker, _row: None, Deadline.within(0.05))
        wait_until(asked.done)
    with pytest.raises(ServingError) as error:
        asked.result()
    assert error.value.canonical is StatusCode.DEADLINE_EXCEEDED
    rows.close()
