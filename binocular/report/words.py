"""Numbers and strangers' names as a person reads them, in messages and on pages.

counted(2, "image")             # 2 images
named(["a", "b", "c", "d"])     # a, b, c and 1 more
"""

from collections.abc import Iterable

# A message names this many; the complete list is elsewhere.
MOST_NAMED = 3
# A longer name loses its middle in what a person reads.
MOST_NAME_CHARACTERS = 160
ONE_PERCENT = 0.01


def named(names: Iterable[str], most: int = MOST_NAMED, between: str = ", ") -> str:
    """The first names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return between.join(shortened(name, MOST_NAME_CHARACTERS) for name in every[:most]) + more


def shortened(name: str, most: int) -> str:
    """A name without its middle where it is too long: its end tells more than its middle."""
    return name if len(name) <= most else f"{name[: most // 3]}…{name[most // 3 + 1 - most :]}"


def printable(text: str) -> str:
    """A stranger's names without what would move a terminal's cursor or be no UTF-8."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 image`, `2 images`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def percent(share: float) -> str:
    """A share as a person reads it."""
    digits = 3 if share >= ONE_PERCENT else 2
    return f"{100 * share:.{digits}g} %"
