import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from binocular.wire.codes import StatusCode
from serving.server.deadline import Deadline
from serving.server.engines.lanes import Lanes
from serving.server.status import ServingError
from tests.servers import wait_until


def test_each_worker_is_with_one_caller_at_a_time() -> None:
    lanes = Lanes(["a", "b"])
    busy: set[str] = set()
    lock = threading.Lock()

    def work(_: int) -> None:
        with lanes.lease(Deadline()) as worker:
            with lock:
                assert worker not in busy
                busy.add(worker)
            with lock:
                busy.remove(worker)

    with ThreadPoolExecutor(16) as callers:
        list(callers.map(work, range(2000)))


def test_who_came_first_is_served_first() -> None:
    lanes, order = Lanes(["only"]), list[int]()

    def work(number: int) -> None:
        with lanes.lease(Deadline()):
            order.append(number)

    with ThreadPoolExecutor(5) as callers, lanes.lease(Deadline()):
        for number in range(5):
            callers.submit(work, number)
            wait_until(lambda n=number: len(lanes._queue) == n + 1)  # type: ignore[misc]
    assert order == [0, 1, 2, 3, 4]


def test_waiting_ends_with_the_deadline_and_leaves_no_trace() -> None:
    lanes = Lanes(["only"])
    with lanes.lease(Deadline()):
        with pytest.raises(ServingError) as error, lanes.lease(Deadline.within(0.01)):
            pass
        assert error.value.canonical is StatusCode.DEADLINE_EXCEEDED
    with lanes.lease(Deadline.within(1)) as worker:
        assert worker == "only"


def test_a_caller_who_went_away_gives_the_worker_on() -> None:
    lanes, gone = Lanes(["only"]), threading.Event()

    def leave() -> None:
        with pytest.raises(ServingError) as error, lanes.lease(Deadline(wanted=lambda: not gone.is_set())):
            pass
        assert error.value.canonical is StatusCode.CANCELLED

    with ThreadPoolExecutor(1) as callers:
        with lanes.lease(Deadline()):
            left = callers.submit(leave)
            wait_until(lambda: len(lanes._queue) == 1)
            gone.set()
        left.result(30)
    with lanes.lease(Deadline.within(1)) as worker:
        assert worker == "only"
