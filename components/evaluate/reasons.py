"""How a rule says how it came out: passed, passed with something to know, or broken."""

from collections.abc import Callable

from binocular.report.words import counted, printable
from binocular.verdict import Reason
from components.evaluate.evidence import Evidence, Paired
from components.evaluate.gate import Gate

# A rule says nothing where nothing was asked.
Rule = Callable[[Evidence, Gate], Reason | None]

# A message names this many classes.
MOST_CLASSES_NAMED = 6
ONE_PERCENT = 0.01


def passes(rule: str, text: str) -> Reason:
    """The rule is kept."""
    return Reason(rule=rule, passed=True, text=printable(text))


def notes(rule: str, text: str) -> Reason:
    """The rule is kept, and a person should know this."""
    return Reason(rule=rule, passed=True, noted=True, text=printable(text))


def fails(rule: str, text: str) -> Reason:
    """The rule is broken."""
    return Reason(rule=rule, passed=False, text=printable(text))


def tested(number: int) -> str:
    """`1 test image`."""
    return counted(number, "test image")


def points(share: float) -> str:
    """A difference of shares as a person reads it."""
    number = f"{100 * share:.1f}".removesuffix(".0") if share >= ONE_PERCENT else f"{100 * share:.2g}"
    return f"{number} point{'' if number == '1' else 's'}"


def against(paired: Paired) -> str:
    """How the candidate's accuracy compares, in words."""
    if paired.fixed == paired.broken:
        return "the same as the champion's"
    return f"{points(abs(paired.drop))} {'above' if paired.drop < 0 else 'below'} the champion's"
