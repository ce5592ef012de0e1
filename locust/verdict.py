"""Does a run pass, and if not, which limit was broken and by how much."""

from collections.abc import Iterator, Sequence

from memory import Memory
from profiles import Limits, Profile
from record import Asked, Record, prediction_times, quantile, reasons, share

P95 = 0.95
# Recovered is who answers as fast as before for this long.
CALM_S = 2.0


def broken(asked: Sequence[Asked], limits: Limits) -> list[str]:
    """The limits that these requests broke, each in words."""
    found = []
    if not asked:
        return ["nothing was answered"]
    if (errors := share(asked, "failed")) > limits.errors:
        found.append(f"errors {errors:.2%}, at most {limits.errors:.2%}: {reasons(asked)}")
    if (away := share(asked, "turned away")) > limits.turned_away:
        found.append(f"turned away {away:.2%}, at most {limits.turned_away:.2%}")
    times = prediction_times(asked)
    if not times:
        found.append("no prediction was answered")
    elif (p95 := quantile(times, P95)) > limits.p95_ms:
        found.append(f"p95 of accepted predictions {p95:.0f} ms, at most {limits.p95_ms:.0f} ms")
    return found


def recovered_after(record: Record, calm_at: float, limits: Limits) -> float | None:
    """Seconds from the end of the rush until predictions are answered as they should be; None: not at all."""
    for second in range(int(record.now() - calm_at - CALM_S)):
        window = record.between(calm_at + second, calm_at + second + CALM_S)
        if window and not broken(window, Limits(limits.p95_ms)):
            return float(second)
    return None


def judge(record: Record, profile: Profile, calm_at: float, memory: Memory) -> Iterator[str]:
    """Why the run fails; nothing where it passes."""
    yield from broken(record.asked, profile.limits)
    if (within := profile.limits.recovers_within_s) is not None:
        took = recovered_after(record, calm_at, profile.limits)
        if took is None or took > within:
            yield f"recovered {'not at all' if took is None else f'after {took:.0f} s'}, at most {within:.0f} s"
    if (most := profile.limits.memory_growth) is not None:
        if not memory.parts:
            yield "memory cannot be seen from here: run it on the gateway's machine"
        for name, growth in memory.growth(record.now()).items():
            if growth > most:
                yield f"memory of {name} grew by {growth:.1%} from the first third to the last, at most {most:.0%}"
