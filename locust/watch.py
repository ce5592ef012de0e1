"""Follows a run from its start to its verdict."""

import sys
from pathlib import Path

import gevent
from locust.env import Environment

from memory import Memory
from over_time import render_page
from profiles import Profile
from record import Record, prediction_times, quantile, share
from schedule import Schedule
from verdict import P95, judge

READ_EVERY_S = 1.0
PASSED, FAILED = 0, 1


class Watch:
    """Listens to Locust, and says at the end whether the run passes."""

    def __init__(self, environment: Environment, profile: Profile, memory: Memory, page: Path | None) -> None:
        self._environment, self._profile, self._memory, self._page = environment, profile, memory, page
        self._record = Record()
        self.schedule = Schedule(profile, self._record)

    def start(self) -> None:
        """Listen from now on."""
        heard = self._environment.events
        heard.test_start.add_listener(self._begin)  # type: ignore[no-untyped-call]
        heard.request.add_listener(self._asked)  # type: ignore[no-untyped-call]
        heard.quitting.add_listener(self._end)  # type: ignore[no-untyped-call]

    def _begin(self, **_: object) -> None:
        self._record.begin()
        gevent.spawn(self._look_on)

    def _asked(self, name: str, response_time: float, exception: object = None, **_: object) -> None:
        self._record.add(name, response_time, exception)

    def _look_on(self) -> None:
        while True:
            now, runner = self._record.now(), self._environment.runner
            self._record.users.append((now, runner.user_count if runner else 0))
            self._memory.look(now)
            gevent.sleep(READ_EVERY_S)

    def _end(self, **_: object) -> None:
        failures = list(judge(self._record, self._profile, self.schedule.calm_at, self._memory))
        facts = self._facts()
        for line in (*facts, *(f"FAILED: {each}" for each in failures)):
            print(line, file=sys.stderr)
        if self._page:
            page = render_page(self._profile, self._record, self._memory, facts, failures)
            self._page.write_text(page, encoding="utf-8")
        self._environment.process_exit_code = FAILED if failures else PASSED

    def _facts(self) -> list[str]:
        """What was found, for a person."""
        asked = self._record.asked
        rate = len(asked) / asked[-1].at if asked else 0.0
        failed, away = share(asked, "failed"), share(asked, "turned away")
        times = prediction_times(asked)
        found = [
            f"{len(asked):,} requests, {rate:.1f} a second: {failed:.2%} failed, {away:.2%} were turned away",
            f"accepted predictions: p50 {quantile(times, 0.5):.0f} ms, p95 {quantile(times, P95):.0f} ms",
        ]
        if self.schedule.broke:
            why = "; ".join(self.schedule.why)
            broke = f"broke with {self.schedule.broke}: {why}" if why else "never broke"
            found.append(f"held with {self.schedule.held} people, {broke}")
        return found
