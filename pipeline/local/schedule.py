"""When a recurring run is due: a function of its trigger, the last time that was dealt with, and now.

    trigger = check({"cron_schedule": {"cron": "0 0 3 * * *"}})          # seconds first: at three every night
    next_due(trigger, since, now)       # the first time that was missed, or None
    last_due(trigger, since, now)       # the latest one, where those before are not to be made up for

Times are in UTC.
"""

from datetime import UTC, datetime, timedelta

from croniter import croniter
from croniter.croniter import CroniterError

from binocular.errors import RequestError
from pipeline.local.values import Json, Value

KINDS = {"cron_schedule": "cron", "periodic_schedule": "interval_second"}
DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *", "@annually": "0 0 0 1 1 *", "@monthly": "0 0 0 1 * *", "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *", "@midnight": "0 0 0 * * *", "@hourly": "0 0 * * * *",
}  # fmt: skip
FIELDS = 6
LONGEST_INTERVAL_S = 10 * 366 * 86_400


def check(trigger: Value) -> Json:
    """Take a trigger as a request gives it; RequestError says what is wrong with it."""
    given = {kind: value for kind, value in trigger.items() if value} if isinstance(trigger, dict) else {}
    if len(given) != 1 or not set(given) <= set(KINDS):
        raise RequestError(f"trigger: expected exactly one of {', '.join(KINDS)}")
    kind, schedule = next(iter(given.items()))
    if not isinstance(schedule, dict) or set(schedule) - {"start_time", "end_time", KINDS[kind]}:
        raise RequestError(f"trigger.{kind}: expected {KINDS[kind]}, start_time and end_time")
    for name in ("start_time", "end_time"):
        if schedule.get(name) is not None:
            moment(schedule[name])
    if kind == "cron_schedule":
        _cron(schedule.get("cron"), datetime.now(UTC))
    else:
        _interval(schedule.get("interval_second"))
    return {kind: {name: value for name, value in schedule.items() if value is not None}}


def moment(text: Value) -> datetime:
    """A time of the API; RequestError where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise RequestError(f"{text!r} is no time; expected one like 2026-01-31T15:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def begins(trigger: Json, created: datetime) -> datetime:
    """The time behind which the first is due."""
    schedule = next(iter(trigger.values()))
    return moment(schedule["start_time"]) if "start_time" in schedule else created


def next_due(trigger: Json, since: datetime, now: datetime) -> datetime | None:
    """The first time behind `since`, if it has come."""
    kind, schedule = next(iter(trigger.items()))
    if kind == "cron_schedule":
        found = _next(schedule["cron"], since)
    else:
        found = since + _interval(schedule["interval_second"])
    return _within(schedule, found, now)


def last_due(trigger: Json, since: datetime, now: datetime) -> datetime | None:
    """The last time behind `since` that has come."""
    kind, schedule = next(iter(trigger.items()))
    end = min(now, moment(schedule["end_time"])) if "end_time" in schedule else now
    if kind == "cron_schedule":
        # A time that falls on this very second is due as well, and the one after it is not.
        found = _cron(schedule["cron"], end.replace(microsecond=0) + timedelta(seconds=1)).get_prev(datetime)
    else:
        interval = _interval(schedule["interval_second"])
        found = since + interval * ((end - since) // interval)
    return _within(schedule, found, now) if found > since else None


def _within(schedule: Json, found: datetime | None, now: datetime) -> datetime | None:
    late = found is not None and "end_time" in schedule and found > moment(schedule["end_time"])
    return None if found is None or found > now or late else found


def _next(cron: str, since: datetime) -> datetime | None:
    try:
        found: datetime = _cron(cron, since).get_next(datetime)
    except CroniterError:
        return None  # it never comes, as the 30th of February
    return found


def _cron(cron: Value, since: datetime) -> croniter:
    text = DESCRIPTORS.get(cron, cron) if isinstance(cron, str) else ""
    if len(text.split()) != FIELDS:
        raise RequestError(f"cron {cron!r}: expected {FIELDS} fields, seconds first, as in '0 30 2 * * 1-5'")
    try:
        made = croniter(text.replace("?", "*"), since, second_at_beginning=True)
        made.get_next(datetime)
        made.set_current(since)
    except (CroniterError, ValueError, TypeError) as error:
        raise RequestError(f"cron {cron!r}: {error}") from None
    return made


def _interval(seconds: Value) -> timedelta:
    try:
        whole = int(seconds)
    except (ValueError, TypeError):
        whole = 0
    if not 1 <= whole <= LONGEST_INTERVAL_S:
        raise RequestError(f"interval_second {seconds!r}: expected a whole number from 1 to {LONGEST_INTERVAL_S}")
    return timedelta(seconds=whole)
