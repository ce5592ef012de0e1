"""What a load test makes of what it has seen."""

import pytest

from binocular.settings import Settings
from memory import Memory
from profiles import PROFILES, Limits, Profile, Stage, Steps
from record import AWAY, Asked, Kind, Record
from schedule import Schedule
from verdict import broken, judge

NOWHERE = Memory("http://elsewhere.example", Settings())


class Recorded(Record):
    """A record on a clock that a test sets."""

    clock = 0.0

    def now(self) -> float:
        return self.clock


def asked(count: int, ms: float = 100, kind: Kind = "answered", at: float = 0.0) -> list[Asked]:
    return [Asked(at, "predict one", kind, ms, "500" if kind == "failed" else "") for _ in range(count)]


def test_a_run_without_faults_passes() -> None:
    assert broken(asked(99) + asked(1, ms=9999), Limits(p95_ms=1000)) == []


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (asked(99) + asked(1, kind="failed"), "errors 1.00%, at most 0.00%: 1 x predict one: 500"),
        (asked(99) + asked(1, kind="turned away"), "turned away 1.00%, at most 0.00%"),
        (asked(94) + asked(6, ms=1001), "p95 of accepted predictions 1001 ms, at most 1000 ms"),
        ([Asked(0, "/v1/status", "answered", 1)], "no prediction was answered"),
        ([], "nothing was answered"),
    ],
    ids=["errors", "turned away", "slow", "no predictions", "nothing"],
)
def test_a_run_fails_by_the_limit_that_it_broke_and_no_other(seen: list[Asked], says: str) -> None:
    assert broken(seen, Limits(p95_ms=1000)) == [says]


def test_who_is_turned_away_is_no_error_and_no_fast_answer() -> None:
    record = Record()
    record.add(f"predict one {AWAY}", 1, None)
    record.add("predict one", 5000, None)
    assert broken(record.asked, Limits(p95_ms=1000, turned_away=1.0)) == [
        "p95 of accepted predictions 5000 ms, at most 1000 ms"
    ]


@pytest.mark.parametrize(("slow_for", "says"), [(4, []), (9, ["recovered after 9 s, at most 5 s"])])
def test_a_rush_must_be_over_soon_after_its_end(slow_for: int, says: list[str]) -> None:
    record = Recorded()
    record.clock = 30.0
    record.asked = asked(900) + [
        each
        for second in range(30)
        for each in asked(2, ms=9999 if 10 <= second < 10 + slow_for else 100, at=second + 0.5)
    ]
    profile = Profile("", Limits(p95_ms=1000, recovers_within_s=5))
    assert list(judge(record, profile, calm_at=10.0, memory=NOWHERE)) == says


def test_a_process_that_grows_fails_a_run_that_looks_at_memory() -> None:
    memory = Memory("http://127.0.0.1:1", Settings())
    for second in range(90):
        memory.note("gateway", {7: 100 + second / 10, 8: 100}, second)
    assert memory.growth(90) == {"gateway 7": pytest.approx(0.0581, abs=1e-3), "gateway 8": 0.0}
    record = Recorded()
    record.clock, record.asked = 90, asked(10)
    soak = PROFILES["soak"]
    assert [each[:36] for each in judge(record, soak, 0, memory)] == ["memory of gateway 7 grew by 5.9% fro"]
    assert list(judge(record, soak, 0, NOWHERE)) == [
        "memory cannot be seen from here: run it on the gateway's machine"
    ]


def test_people_come_and_go_as_the_profile_says() -> None:
    record = Recorded()
    spike = Schedule(PROFILES["spike"], record)
    came = []
    for record.clock in (0, 19, 20, 49, 50, 79, 80):
        came.append(spike.people())
    assert came == [20, 20, 600, 600, 20, 20, None]
    assert spike.calm_at == 50


def test_steps_go_on_until_one_breaks_and_say_which_held() -> None:
    steps = Steps(users=50, seconds=20, most=1000, broken=Limits(1000))
    record = Recorded()
    climb = Schedule(Profile("", Limits(1000), (Stage(10, 5),), steps), record)
    came = []
    for record.clock in range(75):
        record.asked.append(Asked(record.clock, "predict one", "answered", 100 if record.clock < 50 else 2000))
        came.append(climb.people())
    assert [came[second] for second in (0, 19, 20, 40, 59, 60, 69, 70)] == [50, 50, 100, 150, 150, 5, 5, None]
    assert (climb.held, climb.broke, climb.calm_at) == (100, 150, 60)
    assert climb.why == ["p95 of accepted predictions 2000 ms, at most 1000 ms"]
