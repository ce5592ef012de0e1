"""Load for a gateway: people who predict, correct, look and train.

    make load PROFILE=steady URL=http://127.0.0.1:8080

`profiles.py` says who comes when and what must hold, `people.py` what they do. The run ends with exit code 1 and
the limits that were broken, or with 0.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events
from locust.env import Environment

from binocular.settings import load
from memory import Memory
from people import Collector, Corrector, Person, Photographer, Trainer, Visitor, Watcher
from photos import Photos
from profiles import PROFILES
from schedule import Schedule
from watch import Watch

# Who may come, or go, in a second: all of them. A slow farewell would go on with the rush.
A_SECOND = 10_000
# What Locust looks for in this file.
__all__ = ["Collector", "Corrector", "Crowd", "Photographer", "Trainer", "Visitor", "Watcher"]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def options(parser: Any) -> None:  # noqa: ANN401 - Locust's own
    """Our options beside Locust's."""
    parser.add_argument("--load", env_var="PROFILE", choices=list(PROFILES), default="smoke", help="The profile")
    parser.add_argument("--token", env_var="TOKEN", default="", is_secret=True, help="To correct and to train")
    parser.add_argument("--over-time", default="", help="File for the page that shows the run over time")
    parser.add_argument("--p95-ms", type=float, default=0, help="Instead of the profile's limit")


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Environment, **_: object) -> None:
    """Choose the people, draw their photos, and watch."""
    chosen: Any = environment.parsed_options
    profile = PROFILES[chosen.load]
    if chosen.p95_ms:
        profile = replace(profile, limits=replace(profile.limits, p95_ms=chosen.p95_ms))
    if profile.trains and not chosen.token:
        raise SystemExit(f"the profile {chosen.load} starts a training: put the gateway's token into TOKEN")
    absent = {*([] if chosen.token else [Corrector]), *([] if profile.trains else [Trainer])}
    environment.user_classes = [each for each in environment.user_classes if each not in absent]
    Person.photos, Person.token = Photos(), chosen.token
    page = Path(chosen.over_time) if chosen.over_time else None
    watch = Watch(environment, profile, Memory(chosen.host or "", load()), page)
    watch.start()
    Crowd.schedule = watch.schedule


class Crowd(LoadTestShape):
    """Whoever comes or goes does so at once."""

    schedule: Schedule

    def tick(self) -> tuple[int, float] | None:
        """How many people there should be now, and how many may come in a second; None at the end."""
        people = self.schedule.people()
        return None if people is None else (people, A_SECOND)
