"""The last day of the gateway: minutes that add up, across workers, restarts and damage."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway import history, metrics
from gateway.history import MOST_LABELS, OTHER, History
from gateway.windows import _confidence, _quantiles


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the counters say."""
    found: dict[str, float] = {}
    monkeypatch.setattr(history, "totals", lambda: dict(found))
    return found


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    clock = [1_000_000.0 * 60]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    return clock


def test_each_minute_is_what_the_counters_grew_by(
    tmp_path: Path, counted: dict[str, float], now: list[float]
) -> None:
    workers = [History(tmp_path), History(tmp_path)]
    for total in (3, 10, 12):
        counted["predict 2"] = total
        for each in workers:
            each.sample()  # whoever comes first writes; the second finds it done
        now[0] += 60
    counted["predict 2"] = 13
    found = workers[1].since(0)
    assert [minute.counts.get("predict 2") for minute in found] == [7, 2, 1]
    assert {minute.seconds for minute in found} == {60}


def test_counters_that_begin_anew_count_from_nothing(
    tmp_path: Path, counted: dict[str, float], now: list[float]
) -> None:
    counted["predict 2"] = 5
    History(tmp_path).sample()
    now[0] += 60
    counted["predict 2"] = 2  # a worker's file was lost
    History(tmp_path).sample()
    counted["predict 2"] = 8  # a gateway that has answered more already than the last one
    History(tmp_path).begin()
    now[0] += 60
    History(tmp_path).sample()
    counted["predict 2"] = 9
    now[0] += 60
    assert [minute.counts["predict 2"] for minute in History(tmp_path).since(0)] == [2, 1]


def test_a_day_is_kept_and_no_more(tmp_path: Path, counted: dict[str, float], now: list[float]) -> None:
    kept = History(tmp_path)
    for _ in range(200):
        counted["predict 2"] = counted.get("predict 2", 0) + 1
        kept.sample()
        now[0] += 600
    assert len(kept.since(0)) <= history.KEPT_S / 600 + 2


def test_many_labels_are_counted_together(tmp_path: Path, counted: dict[str, float], now: list[float]) -> None:
    kept = History(tmp_path)
    kept.sample()
    counted.update({f"label {number}": 1000 - number for number in range(MOST_LABELS + 10)})
    now[0] += 60
    kept.sample()
    counts = kept.since(0)[0].counts
    assert len(counts) == MOST_LABELS + 1
    assert counts[f"label {OTHER}"] == sum(1000 - MOST_LABELS - number for number in range(10))


def test_a_damaged_file_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / history.FILE).write_bytes(b"not a database" * 1000)
    History(tmp_path).begin()
    History(tmp_path).sample()
    assert len(History(tmp_path).since(0)) == 1


def test_many_at_once_write_a_minute_once(tmp_path: Path, counted: dict[str, float], now: list[float]) -> None:
    History(tmp_path).sample()
    counted["predict 2"] = 4
    now[0] += 60
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: History(tmp_path).sample(), range(16)))
    assert [minute.counts.get("predict 2", 0) for minute in History(tmp_path).since(0)] == [4, 0]


def test_figures_come_from_what_buckets_grew_by() -> None:
    counts = {"seconds 0.01": 0.0, "seconds 0.02": 50.0, "seconds 0.1": 100.0, "seconds +Inf": 100.0}
    p50, p95, _ = _quantiles(counts)
    assert p50 == pytest.approx(0.02)
    assert p95 is not None
    assert 0.05 < p95 <= 0.1
    assert _quantiles({}) == [None, None, None]
    bins = _confidence({"confidence 0.9": 3.0, "confidence 1.0": 7.0, "confidence +Inf": 8.0})
    assert [each.count for each in bins] == [0] * 8 + [3, 5]


def test_what_a_person_looks_at_is_among_what_is_counted() -> None:
    before = history.totals()
    metrics.REQUESTS.labels("POST", "/v1/predict", 503).inc()
    metrics.REQUESTS.labels("GET", "/v1/runs", 200).inc()
    metrics.REQUESTS.labels("GET", "/healthz", 200).inc()
    metrics.LABELS.labels("glass", 1).inc()
    metrics.DOUBTS.labels("unsure", 1).inc()
    grown = {name: value - before.get(name, 0) for name, value in history.totals().items()}
    assert {name for name, value in grown.items() if value} == {
        "predict 5",
        "other 2",
        "label glass",
        "doubt unsure",
    }
