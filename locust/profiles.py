"""The load profiles: how many people come when, and what must hold for the run to pass.

profile = PROFILES["steady"]
profile.users_at(30.0)      # 100
profile.limits.p95_ms       # 1000
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """So many people for so long."""

    seconds: float
    users: int


@dataclass(frozen=True)
class Limits:
    """What fails a run. Shares are of all requests."""

    p95_ms: float  # of the predictions that were accepted
    errors: float = 0.0  # answers that are neither right nor a turning away, and no answers
    turned_away: float = 0.0  # 429 or 503 with Retry-After
    recovers_within_s: float | None = None  # once the last stage has begun
    memory_growth: float | None = None  # of a process, from the first third of the run to the last


@dataclass(frozen=True)
class Steps:
    """More people again and again until it breaks."""

    users: int
    seconds: float
    most: int
    # What counts as broken: beyond it, people notice.
    broken: Limits


@dataclass(frozen=True)
class Profile:
    """Who comes when, and what must hold."""

    says: str
    limits: Limits
    stages: tuple[Stage, ...] = ()
    steps: Steps | None = None
    trains: bool = False

    @property
    def seconds(self) -> float:
        """How long the stages take together."""
        return sum(stage.seconds for stage in self.stages)

    def users_at(self, second: float) -> int | None:
        """How many people there are at that time; None once it is over."""
        for stage in self.stages:
            if second < stage.seconds:
                return stage.users
            second -= stage.seconds
        return None


ANSWERED_IN_MS = 2000.0
OVERLOAD = Limits(p95_ms=ANSWERED_IN_MS, errors=0.0, turned_away=1.0, recovers_within_s=5)

PROFILES: Mapping[str, Profile] = {
    "smoke": Profile("half a minute: is anything broken", Limits(ANSWERED_IN_MS), (Stage(30, 10),)),
    "steady": Profile("100 people for five minutes", Limits(1000), (Stage(300, 100),)),
    "soak": Profile(
        "100 people for a quarter of an hour: does anything grow",
        Limits(1000, memory_growth=0.05),
        (Stage(900, 100),),
    ),
    "spike": Profile(
        "600 people at once for half a minute, then few again",
        OVERLOAD,
        (Stage(20, 20), Stage(30, 600), Stage(30, 20)),
    ),
    "breaking": Profile(
        "50 more people every 20 s until it breaks, then few again",
        OVERLOAD,
        (Stage(20, 20),),
        Steps(users=50, seconds=20, most=2000, broken=Limits(1000, errors=0.0, turned_away=0.05)),
    ),
    "retrain": Profile(
        "20 people while a training runs; needs TOKEN", Limits(ANSWERED_IN_MS), (Stage(180, 20),), trains=True
    ),
}
