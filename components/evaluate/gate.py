"""What the gate asks of a candidate. Every meaning is said here once; the command line's help shows it.

A limit at the end of its range asks for nothing: an accuracy of 0 or more, a drop of at most 1.
"""

from dataclasses import dataclass

from binocular.parameters import Parameters, count, number, switch


@dataclass(frozen=True)
class Gate(Parameters):
    """Where the gate draws its lines."""

    kind = "gate threshold"

    min_accuracy: float = number(0.0, "Reject below this share of right answers; 0 asks for nothing.", most=1)
    min_macro_f1: float = number(
        0.0, "Reject below this F1, averaged over the classes whatever their size; 0 asks for nothing.", most=1
    )
    min_class_recall: float = number(
        0.0, "Reject where a class has a smaller share of its images recognised; 0 asks for nothing.", most=1
    )
    max_accuracy_drop: float = number(
        0.02, "Reject where accuracy is more than this below the champion's; 1 asks for nothing.", most=1
    )
    max_class_recall_drop: float = number(
        0.05,
        "Reject where a class's recall is more than this below the champion's and that is unlikely to be "
        "chance; 1 asks for nothing.",
        most=1,
    )
    chance: float = number(
        0.05,
        "A class's drop is no chance below this probability (exact, one-sided), which all classes share.",
        most=1,
    )
    max_class_collapse: float = number(
        0.3,
        "Reject where a class's recall is more than this below the champion's, chance or not, if that is "
        "three images or more; 1 asks for nothing.",
        most=1,
    )
    max_calibration_error: float = number(
        1.0, "Reject where confidence and accuracy are further apart on average; 1 asks for nothing.", most=1
    )
    max_latency_ratio: float = number(
        0.0, "Reject where one image takes more than this many times the champion's time; 0 asks for nothing."
    )
    least_test_images: int = count(50, "With fewer test images than this, the verdict says how little is known.")
    allow_removed_classes: bool = switch(
        "Whether a class that the champion knows may be missing in the candidate; if not, reject.", default=False
    )
    allow_broken_champion: bool = switch(
        "Whether a champion that does not load or answer may be replaced on the other rules alone.", default=False
    )
