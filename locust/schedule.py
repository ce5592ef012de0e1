"""How many people there are at each moment of a run: a profile at work."""

from profiles import Profile, Steps
from record import Record
from verdict import broken


class Schedule:
    """Follows a profile on the clock of a record."""

    def __init__(self, profile: Profile, record: Record) -> None:
        self.held = 0  # people with whom a step held
        self.broke = 0  # people with whom it did not
        self.why: list[str] = []
        self._profile, self._record = profile, record
        self._step = 1
        self._stages_from = 0.0

    @property
    def calm_at(self) -> float:
        """When the last stage begins: from then on it recovers."""
        return self._stages_from + self._profile.seconds - self._profile.stages[-1].seconds

    def people(self) -> int | None:
        """How many people there should be now; None at the end."""
        now = self._record.now()
        if self._profile.steps and not self.broke:
            return self._climb(self._profile.steps, now)
        return self._profile.users_at(now - self._stages_from)

    def _climb(self, steps: Steps, now: float) -> int:
        """One step after the other, until one breaks."""
        people = self._step * steps.users
        if now < self._step * steps.seconds:
            return people
        # Judged by its second half, in which everybody is there.
        self.why = broken(self._record.between(now - steps.seconds / 2, now), steps.broken)
        if self.why or people >= steps.most:
            self.broke, self._stages_from = people, now
            return self._profile.stages[0].users
        self.held = people
        self._step += 1
        return people + steps.users
