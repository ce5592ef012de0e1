"""Where each check draws its line. Every meaning is said here once; the command line's help shows it."""

import math
from dataclasses import dataclass, field, fields

from binocular.errors import SettingError


def _limit(default: float, meaning: str, *, least: float = 0, most: float = 1) -> float:
    """A number between `least` and `most`."""
    described: float = field(default=default, metadata={"meaning": meaning, "least": least, "most": most})
    return described


def _count(default: int, meaning: str, *, least: int) -> int:
    described: int = field(default=default, metadata={"meaning": meaning, "least": least, "most": math.inf})
    return described


def _switch(meaning: str, *, default: bool) -> bool:
    described: bool = field(default=default, metadata={"meaning": meaning})
    return described


@dataclass(frozen=True)
class Thresholds:
    """What is hard stops the run; what is soft is reported, and quarantined where the meaning says so."""

    unreadable_share: float = _limit(
        0.05, "Hard above this share of files that cannot be read as images; up to it, they are left out."
    )
    label_conflict_share: float = _limit(
        0.01, "Hard above this share of images found under two labels; up to it, they are left out."
    )
    leakage_share: float = _limit(
        0.05, "Hard above this share of test images that are also on another side; the other copy is left out."
    )
    near_leaks: bool = _switch(
        "Whether near-duplicates on two sides count as leaks; if not, only identical images do.", default=True
    )
    least_images_per_class: int = _count(
        10, "Hard where a class has fewer training images than this, after what is left out.", least=1
    )
    most_imbalance: float = _limit(
        20.0, "Soft where the largest class is more than this many times the smallest.", least=1, most=math.inf
    )
    most_drift: float = _limit(
        0.2, "Soft above this Jensen-Shannon distance (0 equal, 1 disjoint) to the champion's label shares."
    )
    allow_removed_classes: bool = _switch(
        "Whether a class that the champion knows may be missing; if not, that is hard.", default=False
    )
    dark: float = _limit(0.32, "Soft where even an image's brightest hundredth is darker than this; 1 is white.")
    light: float = _limit(0.05, "Soft where even an image's darkest twentieth is within this of white.")
    blurred: float = _limit(0.29, "Soft below this sharpness, as cleanvision scores it; 1 is sharp.")
    low_information: float = _limit(0.3, "Soft below this entropy, in tens of bits a pixel.")
    odd_aspect_ratio: float = _limit(0.35, "Soft where the shorter side is less than this part of the longer one.")
    odd_size: float = _limit(
        3.0, "Soft where a size is more than this many interquartile ranges off the middle half.", most=math.inf
    )
    quarantine_outliers: bool = _switch(
        "Whether odd, dark, light, blurred and empty training images are left out and not only reported.",
        default=False,
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            if "least" in each.metadata:
                _refuse_outside(each.name, getattr(self, each.name), each.metadata["least"], each.metadata["most"])


def options() -> list[tuple[str, type, object, str]]:
    """(name, type, default, meaning) of each threshold, in order."""
    return [(each.name, type(each.default), each.default, each.metadata["meaning"]) for each in fields(Thresholds)]


def _refuse_outside(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        span = f"between {least:g} and {most:g}" if math.isfinite(most) else f"a number of {least:g} or more"
        raise SettingError(f"threshold {name} is {value}; it must be {span}: change --{name.replace('_', '-')}")
