"""Parameters of a step: frozen dataclasses whose fields know what they mean and what they accept.

    @dataclass(frozen=True)
    class Thresholds(Parameters):
        dark: float = number(0.32, "Soft where an image is darker than this.", most=1)

    Thresholds(dark=2)              # SettingError: dark is 2.0; it must be between 0 and 1
    Thresholds.of({"drak": 0.3})    # SettingError: drak is not a parameter; did you mean dark?
    @with_options(Thresholds)       # a command line with --dark, its meaning as help

A meaning is said once: the command line's help and the pipeline's form both show it.
"""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, Self

import click

from binocular.errors import SettingError


def number(default: float, meaning: str, *, least: float = 0, most: float = math.inf) -> float:
    """A number between `least` and `most`."""
    described: float = field(default=default, metadata={"meaning": meaning, "least": least, "most": most})
    return described


def count(default: int, meaning: str, *, least: int = 0, most: float = math.inf) -> int:
    """A whole number between `least` and `most`."""
    described: int = field(default=default, metadata={"meaning": meaning, "least": least, "most": most})
    return described


def switch(meaning: str, *, default: bool) -> bool:
    """Yes or no."""
    described: bool = field(default=default, metadata={"meaning": meaning})
    return described


def choice(default: str, meaning: str, *, among: Sequence[str]) -> str:
    """One of a few words."""
    described: str = field(default=default, metadata={"meaning": meaning, "among": tuple(among)})
    return described


def text(default: str, meaning: str) -> str:
    """Any text."""
    described: str = field(default=default, metadata={"meaning": meaning})
    return described


@dataclass(frozen=True)
class Parameters:
    """Values that check themselves; a wrong one is a SettingError that names it."""

    kind: ClassVar[str] = "parameter"  # what a person calls one of them

    def __post_init__(self) -> None:
        for each in fields(self):
            if fault := _fault(each, getattr(self, each.name)):
                raise SettingError(f"{self.kind} {each.name} is {getattr(self, each.name)!r}; it must be {fault}")

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """The defaults with these values in their place; an unknown name is refused."""
        known = [each.name for each in fields(cls)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise SettingError(f"{name} is not a {cls.kind}; {hint}")
        whole = {each.name for each in fields(cls) if type(each.default) is int}
        # JSON and the pipeline's form make no difference between 5 and 5.0.
        return cls(**{name: _as_whole(value) if name in whole else value for name, value in values.items()})


def _as_whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fault(each: Field[Any], value: object) -> str | None:
    """What the field accepts, if this is not it."""
    if isinstance(each.default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(each.default, int | float):
        return _number_fault(each, value)
    among = each.metadata.get("among")
    if among and value not in among:
        return f"one of {', '.join(among)}"
    return None if isinstance(value, str) else "text"


def _number_fault(each: Field[Any], value: object) -> str | None:
    least, most = each.metadata["least"], each.metadata["most"]
    kinds = (int,) if isinstance(each.default, int) else (int, float)
    right = (
        isinstance(value, kinds)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and least <= value <= most
    )
    span = f"between {least:g} and {most:g}" if math.isfinite(most) else f"of {least:g} or more"
    return None if right else f"{'a whole number' if kinds == (int,) else 'a number'} {span}"


def with_options(parameters: type[Parameters]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an option for each parameter, its meaning as help."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(fields(parameters)):
            flag = f"--{each.name.replace('_', '-')}"
            switched = isinstance(each.default, bool)
            among = each.metadata.get("among")
            function = click.option(
                f"{flag}/--no{flag[1:]}" if switched else flag,
                each.name,
                type=click.Choice(among) if among else type(each.default),
                default=each.default,
                show_default=True,
                help=each.metadata["meaning"],
            )(function)
        return function

    return decorate
