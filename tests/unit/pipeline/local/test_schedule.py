from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from binocular.errors import RequestError
from pipeline.local.schedule import begins, check, last_due, next_due

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def every(seconds: int, **more: str) -> dict[str, Any]:
    return check({"periodic_schedule": {"interval_second": str(seconds), **more}})


def cron(text: str, **more: str) -> dict[str, Any]:
    return check({"cron_schedule": {"cron": text, **more}})


def all_due(trigger: dict[str, Any], since: datetime, now: datetime) -> list[datetime]:
    found = []
    while (due := next_due(trigger, since, now)) is not None:
        found.append(due)
        since = due
    return found


def test_an_interval_is_due_again_and_again() -> None:
    now = START + timedelta(seconds=35)

    assert all_due(every(10), START, now) == [START + timedelta(seconds=n) for n in (10, 20, 30)]
    assert last_due(every(10), START, now) == START + timedelta(seconds=30)
    assert next_due(every(10), START, START + timedelta(seconds=9)) is None
    assert last_due(every(10), START, START + timedelta(seconds=9)) is None


def test_cron_has_its_seconds_first() -> None:
    night = cron("0 30 2 * * *")
    now = START + timedelta(days=3)

    assert all_due(night, START, now) == [datetime(2026, 2, day, 2, 30, tzinfo=UTC) for day in (1, 2, 3)]
    assert last_due(night, START, now) == datetime(2026, 2, 3, 2, 30, tzinfo=UTC)
    assert last_due(night, START, datetime(2026, 2, 1, 2, 30, tzinfo=UTC)) == datetime(
        2026, 2, 1, 2, 30, tzinfo=UTC
    )
    assert all_due(cron("*/20 * * ? * *"), START, START + timedelta(minutes=1))[-1] == START + timedelta(minutes=1)
    assert all_due(cron("0 0 12 ? * 1-5"), START, START + timedelta(days=4)) == [
        datetime(2026, 2, day, 12, tzinfo=UTC) for day in (2, 3, 4)
    ]
    assert all_due(cron("@daily"), START, now)[0] == datetime(2026, 2, 1, tzinfo=UTC)


def test_the_end_of_february_comes_when_there_is_one() -> None:
    assert next_due(cron("0 0 0 29 2 *"), START, START + timedelta(days=700)) is None
    assert next_due(cron("0 0 0 29 2 *"), START, START + timedelta(days=1000)) == datetime(2028, 2, 29, tzinfo=UTC)


def test_nothing_is_due_before_the_start_or_behind_the_end() -> None:
    trigger = every(60, start_time="2026-01-31T13:00:00Z", end_time="2026-01-31T13:02:30+00:00")
    first = begins(trigger, START)

    assert first == datetime(2026, 1, 31, 13, 0, tzinfo=UTC)
    assert len(all_due(trigger, first, START + timedelta(days=1))) == 2
    assert last_due(trigger, first, START + timedelta(days=1)) == datetime(2026, 1, 31, 13, 2, tzinfo=UTC)


def test_years_of_seconds_are_counted_and_not_walked_through() -> None:
    assert last_due(every(1), START, START + timedelta(days=3650)) == START + timedelta(days=3650)
    assert last_due(cron("* * * * * *"), START, START + timedelta(days=3650)) == START + timedelta(days=3650)


@pytest.mark.parametrize("microseconds", [0, 1, 500_000, 999_999])
def test_a_time_each_second_is_due_in_the_middle_of_one(microseconds: int) -> None:
    now = START + timedelta(seconds=5, microseconds=microseconds)
    assert last_due(cron("* * * * * *"), START, now) == START + timedelta(seconds=5)
    assert last_due(cron("* * * * * *"), START + timedelta(seconds=5), now) is None


@pytest.mark.parametrize(
    "trigger",
    [
        None,
        {},
        [],
        {"cron_schedule": {"cron": "0 0 * * * *"}, "periodic_schedule": {"interval_second": 1}},
        {"cron_schedule": {"cron": "* * * * *"}},
        {"cron_schedule": {"cron": "61 * * * * *"}},
        {"cron_schedule": {"cron": "a b c d e f"}},
        {"cron_schedule": {"cron": 5}},
        {"cron_schedule": {"cron": "0 0 0 30 2 *"}},
        {"cron_schedule": {"cron": "0 0 0 1 1 *", "zone": "x"}},
        {"periodic_schedule": {"interval_second": 0}},
        {"periodic_schedule": {"interval_second": "-5"}},
        {"periodic_schedule": {"interval_second": "1e9"}},
        {"periodic_schedule": {"interval_second": "9" * 50}},
        {"periodic_schedule": {"interval_second": 5, "start_time": "tomorrow"}},
        {"other": {}},
    ],
)
def test_a_wrong_trigger_is_refused(trigger: Any) -> None:
    with pytest.raises(RequestError):
        check(trigger)
