"""Where each check draws its line. Every meaning is said here once; the command line's help shows it."""

from dataclasses import dataclass

from binocular.parameters import Parameters, count, number, switch


@dataclass(frozen=True)
class Thresholds(Parameters):
    """What is hard stops the run; what is soft is reported, and quarantined where the meaning says so."""

    kind = "threshold"

    unreadable_share: float = number(
        0.05,
        "Hard above this share of files that cannot be read as images; up to it, they are left out.",
        most=1,
    )
    label_conflict_share: float = number(
        0.01,
        "Hard above this share of images found under two labels; up to it, they are left out.",
        most=1,
    )
    leakage_share: float = number(
        0.05,
        "Hard above this share of test images that are also on another side; the other copy is left out.",
        most=1,
    )
    near_leaks: bool = switch(
        "Whether near-duplicates on two sides count as leaks; if not, only identical images do.", default=True
    )
    least_images_per_class: int = count(
        10, "Hard where a class has fewer training images than this, after what is left out.", least=1
    )
    most_imbalance: float = number(
        20.0, "Soft where the largest class is more than this many times the smallest.", least=1
    )
    most_drift: float = number(
        0.2,
        "Soft above this Jensen-Shannon distance (0 equal, 1 disjoint) to the champion's label shares.",
        most=1,
    )
    allow_removed_classes: bool = switch(
        "Whether a class that the champion knows may be missing; if not, that is hard.", default=False
    )
    dark: float = number(
        0.32, "Soft where even an image's brightest hundredth is darker than this; 1 is white.", most=1
    )
    light: float = number(0.05, "Soft where even an image's darkest twentieth is within this of white.", most=1)
    blurred: float = number(0.29, "Soft below this sharpness, as cleanvision scores it; 1 is sharp.", most=1)
    low_information: float = number(0.3, "Soft below this entropy, in tens of bits a pixel.", most=1)
    odd_aspect_ratio: float = number(
        0.35, "Soft where the shorter side is less than this part of the longer one.", most=1
    )
    odd_size: float = number(
        3.0, "Soft where a size is more than this many interquartile ranges off the middle half."
    )
    quarantine_outliers: bool = switch(
        "Whether odd, dark, light, blurred and empty training images are left out and not only reported.",
        default=False,
    )
