"""Requests a minute for each client, whatever worker is asked; and the line before the model."""

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from binocular.errors import OverloadedError, RateLimitedError
from binocular.settings import Settings
from gateway import create_app
from gateway.limits import FILE, SETS, WAYS, Limits, client_of
from gateway.line import MOST_WAITING, Line
from tests.servers import wait_until


def limits(folder: Path, predict: int = 0, write: int = 0) -> Limits:
    return Limits(folder, {"predict": predict, "write": write})


def taken(each: Limits, client: str, tries: int) -> int:
    """How many of so many requests are let through."""
    count = 0
    for _ in range(tries):
        try:
            each.take("predict", client)
            count += 1
        except RateLimitedError:
            pass
    return count


def _take_in_a_process(folder: Path) -> int:
    return taken(limits(folder, 100), "phone", 100)


def test_a_client_may_make_so_many_and_others_as_many_again(tmp_path: Path) -> None:
    here = limits(tmp_path, 5)
    assert [taken(here, client, 9) for client in ("a", "b", "a")] == [5, 5, 0]


def test_what_is_refused_says_when_to_come_again(tmp_path: Path) -> None:
    here = limits(tmp_path, 2)
    assert taken(here, "a", 2) == 2
    with pytest.raises(RateLimitedError) as caught:
        here.take("predict", "a")
    assert 25 < float(str(caught.value.details["retry_after_s"])) <= 30


def test_a_bucket_fills_again(tmp_path: Path) -> None:
    here = limits(tmp_path, 6000)  # one each hundredth of a second
    assert taken(here, "a", 6500) < 6500
    wait_until(lambda: taken(here, "a", 1) == 1, 10)


def test_kinds_are_counted_apart_and_nothing_is_kept_where_there_is_no_limit(tmp_path: Path) -> None:
    here = limits(tmp_path, write=1)
    assert taken(here, "a", 50) == 50
    assert not (tmp_path / FILE).exists()
    here.take("write", "a")
    with pytest.raises(RateLimitedError):
        here.take("write", "a")


def test_all_processes_and_threads_count_together(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        processes = pool.map(_take_in_a_process, [tmp_path] * 2)
    shared = limits(tmp_path, 100)
    with ThreadPoolExecutor(4) as threads:
        more = list(threads.map(lambda _: taken(shared, "phone", 50), range(4)))
    # A few come back while this goes on: one each 0.6 s.
    assert 100 <= sum(processes) + sum(more) < 200


def test_more_clients_than_there_is_room_for_do_no_harm(tmp_path: Path) -> None:
    here = limits(tmp_path, 1)
    for n in range(2 * WAYS * SETS):
        taken(here, f"client {n}", 1)
    assert (tmp_path / FILE).stat().st_size == WAYS * SETS * 16
    assert taken(here, "another", 2) == 1


def test_a_clock_that_began_anew_locks_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    with monkeypatch.context() as later:
        later.setattr("gateway.limits.time.monotonic", lambda: now + 1e6)
        assert taken(limits(tmp_path, 3), "a", 3) == 3
    assert taken(limits(tmp_path, 3), "a", 9) == 3


def test_it_costs_next_to_nothing(tmp_path: Path) -> None:
    here = limits(tmp_path, 10**9)
    began = time.perf_counter()
    taken(here, "a", 2000)
    assert (time.perf_counter() - began) / 2000 < 1e-3


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_counts_for_its_network(address: str, client: str) -> None:
    assert client_of(address) == client


def asked(client: Any, **headers: str) -> Any:
    return client.post("/v1/predict", data=b"x", content_type="text/plain", headers=headers)


def test_who_asks_too_often_is_told_so(tmp_path: Path) -> None:
    client = create_app(Settings(home=tmp_path, gateway_predict_limit=2)).test_client()
    assert [asked(client).status_code for _ in range(3)] == [415, 415, 429]
    refused = asked(client)
    assert refused.json["code"] == "rate_limited"
    assert 25 <= int(refused.headers["Retry-After"]) <= 30
    # A token counts for itself.
    token = {"Authorization": f"Bearer {(tmp_path / 'gateway-token').read_text()}"}
    assert asked(client, **token).status_code == 415


@pytest.mark.parametrize(
    ("proxies", "told", "statuses"),
    [
        (0, ["192.0.2.1", "192.0.2.2"], [415, 429]),
        # What stands before the last entry is the client's own invention.
        (1, ["192.0.2.1", "192.0.2.2", "192.0.2.9, 192.0.2.2"], [415, 415, 429]),
        (2, ["192.0.2.1, 10.0.0.1", "192.0.2.9, 192.0.2.1, 10.0.0.1", "192.0.2.2, 10.0.0.1"], [415, 429, 415]),
    ],
)
def test_only_proxies_of_ours_say_whom_they_ask_for(
    tmp_path: Path, proxies: int, told: list[str], statuses: list[int]
) -> None:
    client = create_app(Settings(home=tmp_path, gateway_predict_limit=1, gateway_proxies=proxies)).test_client()
    assert [asked(client, **{"X-Forwarded-For": each}).status_code for each in told] == statuses


def test_so_many_at_once_a_few_wait_and_the_rest_is_refused_at_once() -> None:
    line, done, inside = Line(places=2, patience_s=30), threading.Event(), threading.Semaphore(0)

    def work() -> bool:
        try:
            with line.turn():
                inside.release()
                done.wait(60)
        except OverloadedError:
            return False
        return True

    with ThreadPoolExecutor(2 + MOST_WAITING + 20) as pool:
        turns = [pool.submit(work) for _ in range(2 + MOST_WAITING)]
        assert inside.acquire(timeout=30)
        assert inside.acquire(timeout=30)
        wait_until(lambda: line._inside == 2 + MOST_WAITING)
        assert not inside.acquire(blocking=False)
        with pytest.raises(OverloadedError):
            line.check()
        more = [pool.submit(work) for _ in range(20)]
        assert not any(each.result(30) for each in more)
        done.set()
        assert all(each.result(60) for each in turns)
    line.check()


def test_nobody_waits_longer_than_turns_have_taken_makes_likely() -> None:
    line = Line(places=1, patience_s=0.05)
    for _ in range(10):
        with line.turn():
            time.sleep(0.06)  # the work, not a wait
    with line.turn(), pytest.raises(OverloadedError):
        line.check()
    line.check()
