"""When an int8 graph may stand in for the float one: the rules, on answers as they may come."""

from collections.abc import Sequence

import numpy as np
import pytest

from binocular.candidate import Answers
from components.export.comparing import Answered, compared, fault_of

CLASSES = ("glass", "metal", "paper", "rare")
FACTS = Answers(classes=CLASSES, height=8, width=8, sure_from=0.5, familiar_from=0.6)
# Images of each class, 1,000 in all.
COUNTS = (330, 330, 330, 10)
LABELS = np.repeat(np.array(CLASSES, dtype=object), COUNTS)
RARE = range(990, 1000)


def answered(wrong: Sequence[int] = (), torn: Sequence[int] = (), strange: Sequence[int] = ()) -> Answered:
    """A graph that is right but for some images, sure but for some, and to which all but some look familiar."""
    probabilities = np.full((len(LABELS), len(CLASSES)), 0.02, np.float32)
    calls = np.repeat(np.arange(len(CLASSES)), COUNTS)
    calls[list(wrong)] = (calls[list(wrong)] + 1) % len(CLASSES)
    probabilities[np.arange(len(LABELS)), calls] = 0.94
    probabilities[list(torn)] = 0.25
    familiarity = np.full(len(LABELS), 0.9, np.float32)
    familiarity[list(strange)] = 0.1
    return Answered(LABELS, probabilities, familiarity, FACTS)


def test_what_answers_alike_may_stand_in_and_the_figures_say_how_alike() -> None:
    before, after = answered(wrong=range(20), strange=range(5)), answered(wrong=range(5, 25))

    assert fault_of(before, after) is None
    figures = compared(before, after)
    assert (figures.images, figures.float_accuracy, figures.accuracy) == (1000, 0.98, 0.98)
    assert (figures.agreement, figures.float_known, figures.known) == (0.99, 0.995, 1.0)


def test_half_a_point_of_accuracy_may_go_and_not_an_image_more() -> None:
    assert fault_of(answered(), answered(wrong=range(5))) is None
    assert fault_of(answered(), answered(wrong=[*range(3), *range(400, 403)])) == (
        "accuracy falls from 100 % to 99.4 % of 1,000 test images; it may fall by 0.5 points"
    )


@pytest.mark.parametrize(("lost", "told"), [(2, None), (3, None), (4, "rare is recognised in 60 %")])
def test_a_rare_class_may_not_collapse_however_good_the_rest(lost: int, told: str | None) -> None:
    fault = fault_of(answered(wrong=range(10)), answered(wrong=RARE[:lost]))

    assert (fault is None) if told is None else str(fault).startswith(told)


def test_a_class_may_not_lose_beyond_chance_what_another_wins() -> None:
    fault = fault_of(answered(wrong=range(330, 350)), answered(wrong=range(20)))

    assert fault == (
        "glass is recognised in 93.9 % of 330 test images, by the float graph in 100 %: 0 fixed, 20 broken"
    )


@pytest.mark.parametrize("after", [answered(torn=range(21)), answered(strange=range(21))])
def test_the_lines_below_which_an_answer_is_unknown_must_hold(after: Answered) -> None:
    assert "97.9 % of 1,000 test images are known to it, to the float graph 100 %" in str(
        fault_of(answered(), after)
    )
    assert "100 % of 1,000 test images are known to it" in str(fault_of(after, answered()))


def test_what_is_no_number_is_no_answer() -> None:
    broken = answered()
    broken.probabilities[7, 0] = np.nan

    assert fault_of(answered(), broken) == "it answers NaN or infinity"
