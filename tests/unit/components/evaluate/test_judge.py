"""The gate, verdict by verdict."""

from dataclasses import replace

import numpy as np
import pytest

from binocular.verdict import Reason, Verdict
from components.evaluate.champion_rules import is_worse
from components.evaluate.evidence import Evidence, Judged, Paired, PairedClass
from components.evaluate.gate import Gate
from components.evaluate.judge import RULES, judge
from components.evaluate.mistakes import Answered
from tests.unit.components.evaluate.conftest import CLASSES, SNAPSHOT, answered, evidence, predictions

# A class of a hundred images each, most of them recognised.
GOOD = {"cat": (100, 95), "dog": (100, 94), "fox": (100, 93)}
LABELS, PREDICTED = predictions(**GOOD)
STRICT = Gate(max_accuracy_drop=0, max_class_recall_drop=0)


def good() -> Answered:
    return answered(PREDICTED, CLASSES)


def of(**right: tuple[int, int]) -> Answered:
    """Answers to the same images, recognising others."""
    return answered(predictions(**(GOOD | right))[1], CLASSES)


def broken(verdict: Verdict) -> set[str]:
    return {reason.rule for reason in verdict.reasons if not reason.passed}


def reason(verdict: Verdict, rule: str) -> Reason:
    (found,) = [each for each in verdict.reasons if each.rule == rule]
    return found


def test_the_first_model_is_promoted_if_it_meets_the_floors() -> None:
    verdict = judge(evidence(LABELS, good()), Gate(min_accuracy=0.9, min_macro_f1=0.9, min_class_recall=0.9))

    assert (verdict.decision, broken(verdict), verdict.champion) == ("promote", set(), None)
    assert verdict.summary == "Promoted as the first model: accuracy 94 % on 300 test images"
    assert "no champion" in reason(verdict, "champion").text
    assert verdict.candidate_metrics["accuracy"] == pytest.approx(0.94)
    assert verdict.champion_metrics == {}


def test_without_thresholds_the_first_model_has_to_be_better_than_guessing() -> None:
    assert judge(evidence(LABELS, good()), Gate()).decision == "promote"

    always_cat = answered(["cat"] * 300, CLASSES)
    verdict = judge(evidence(LABELS, always_cat), Gate())
    assert broken(verdict) == {"beats-guessing"}
    assert (
        "33.3 % of a class's images are recognised; always giving the same answer reaches 33.3 %"
        in reason(verdict, "beats-guessing").text
    )
    assert "no floor is asked for" in reason(verdict, "champion").text


def test_guessing_the_largest_class_does_not_pass_for_accuracy() -> None:
    labels, _ = predictions(cat=(980, 0), dog=(10, 0), fox=(10, 0))
    verdict = judge(evidence(labels, answered(["cat"] * 1000, CLASSES)), Gate(min_accuracy=0.9))
    assert broken(verdict) == {"beats-guessing"}


@pytest.mark.parametrize(
    ("gate", "rule", "text"),
    [
        (Gate(min_accuracy=0.95), "accuracy-floor", "Accuracy 94 %; asked for is 95 % or more."),
        (Gate(min_macro_f1=0.95), "macro-f1-floor", "Macro F1 94 %; asked for is 95 % or more."),
        (Gate(min_class_recall=0.94), "class-recall-floor", "fox 93 % of 100; asked for is 94 % or more"),
        (
            Gate(max_calibration_error=0.01),
            "calibration",
            "4 points apart on average; asked for is 1 point or less.",
        ),
    ],
)
def test_a_model_below_a_floor_is_rejected_with_the_numbers(gate: Gate, rule: str, text: str) -> None:
    verdict = judge(evidence(LABELS, good()), gate)
    assert (verdict.decision, broken(verdict)) == ("reject", {rule})
    assert text in reason(verdict, rule).text
    assert verdict.summary == f"Rejected: {RULES[rule][1]}"


def test_a_floor_that_is_just_met_is_met() -> None:
    gate = Gate(min_accuracy=0.94, min_class_recall=0.93, max_calibration_error=0.0401)
    assert judge(evidence(LABELS, good()), gate).decision == "promote"


def test_an_equal_model_from_newer_data_is_not_worse_and_is_promoted() -> None:
    verdict = judge(evidence(LABELS, good(), good()), STRICT)
    assert (verdict.decision, broken(verdict)) == ("promote", set())
    assert "the same as the champion's" in verdict.summary


def test_the_same_answers_from_the_same_data_change_nothing_and_are_rejected() -> None:
    verdict = judge(evidence(LABELS, good(), good(), champion_learnt_from=SNAPSHOT), STRICT)
    assert broken(verdict) == {"something-new"}


def test_other_answers_from_the_same_data_may_be_promoted() -> None:
    better = of(cat=(100, 99))
    assert judge(evidence(LABELS, better, good(), champion_learnt_from=SNAPSHOT), STRICT).decision == "promote"


def test_a_better_model_is_promoted_and_says_by_how_much() -> None:
    verdict = judge(evidence(LABELS, of(cat=(100, 99)), good()), STRICT)
    assert verdict.summary == "Promoted: accuracy 95.3 % on 300 test images, 1.3 points above the champion's"
    assert verdict.champion == 3
    assert verdict.champion_metrics["accuracy"] == pytest.approx(0.94)


def test_a_worse_model_is_rejected_and_how_much_worse_it_may_be_is_a_threshold() -> None:
    worse = evidence(LABELS, of(cat=(100, 92), dog=(100, 91)), good())

    verdict = judge(worse, Gate(max_accuracy_drop=0.01))
    assert broken(verdict) == {"not-worse"}
    assert (
        "2 points below the champion's of 94 % on 300 test images: 0 fixed, 6 broken"
        in reason(verdict, "not-worse").text
    )
    assert judge(worse, Gate(max_accuracy_drop=0.02)).decision == "promote"


def test_better_overall_but_a_class_collapses_is_rejected_naming_the_class() -> None:
    labels, before = predictions(cat=(300, 250), dog=(300, 250), fox=(30, 28))
    _, now = predictions(cat=(300, 290), dog=(300, 290), fox=(30, 8))
    verdict = judge(evidence(labels, answered(now, CLASSES), answered(before, CLASSES)), Gate())

    assert verdict.candidate_metrics["accuracy"] > verdict.champion_metrics["accuracy"]
    assert (verdict.decision, broken(verdict)) == ("reject", {"class-not-worse"})
    assert (
        "fox 93.3 % → 26.7 % of 30 test images (0 fixed, 20 broken, p = 9.5e-07; F1"
        in reason(verdict, "class-not-worse").text
    )
    assert "cat" not in reason(verdict, "class-not-worse").text


def test_a_class_of_five_images_that_loses_one_is_noise_and_is_noted() -> None:
    labels, before = predictions(cat=(100, 95), dog=(100, 95), fox=(5, 5))
    _, now = predictions(cat=(100, 96), dog=(100, 95), fox=(5, 4))
    verdict = judge(evidence(labels, answered(now, CLASSES), answered(before, CLASSES)), Gate())

    found = reason(verdict, "class-not-worse")
    assert (verdict.decision, found.passed, found.noted) == ("promote", True, True)
    assert "but that may be chance or is made up for by fewer false alarms: fox 100 % → 80 %" in found.text


def test_a_champion_that_answers_one_class_to_everything_does_not_win_on_its_recall() -> None:
    verdict = judge(evidence(LABELS, of(cat=(100, 90)), answered(["cat"] * 300, CLASSES)), Gate())

    found = reason(verdict, "class-not-worse")
    assert (verdict.decision, found.noted) == ("promote", True)
    assert "cat 100 % → 90 % of 100 test images (0 fixed, 10 broken, p = 0.00098; F1 50 % → 91.4 %)" in found.text


def test_a_small_class_that_loses_most_of_its_images_collapsed_chance_or_not() -> None:
    labels, before = predictions(cat=(100, 95), dog=(100, 95), fox=(4, 4))
    _, now = predictions(cat=(100, 99), dog=(100, 95), fox=(4, 1))
    both = evidence(labels, answered(now, CLASSES), answered(before, CLASSES))

    assert broken(judge(both, Gate())) == {"class-not-worse"}
    assert judge(both, Gate(max_class_collapse=1)).decision == "promote"
    assert judge(both, Gate(max_class_recall_drop=1)).decision == "promote"


def test_a_class_of_two_images_never_decides() -> None:
    labels, before = predictions(cat=(100, 95), dog=(100, 95), fox=(2, 2))
    _, now = predictions(cat=(100, 99), dog=(100, 95), fox=(2, 0))
    verdict = judge(evidence(labels, answered(now, CLASSES), answered(before, CLASSES)), Gate())
    assert verdict.decision == "promote"
    assert "fox 100 % → 0 % of 2 test images" in reason(verdict, "class-not-worse").text


def test_a_large_class_may_not_lose_more_than_is_allowed_and_chance_explains() -> None:
    labels, before = predictions(cat=(100, 90), dog=(100, 90), fox=(100, 90))
    _, now = predictions(cat=(100, 99), dog=(100, 99), fox=(100, 82))
    verdict = judge(evidence(labels, answered(now, CLASSES), answered(before, CLASSES)), Gate())

    assert broken(verdict) == {"class-not-worse"}
    allowed = Gate(max_class_recall_drop=0.08)
    assert (
        judge(evidence(labels, answered(now, CLASSES), answered(before, CLASSES)), allowed).decision == "promote"
    )


def test_added_classes_are_compared_where_both_know_the_label_and_floors_hold_for_all() -> None:
    labels, now = predictions(cat=(100, 95), dog=(100, 95), fox=(100, 60))
    before = answered([label if label != "fox" else "cat" for label in now], ("cat", "dog"))
    both = evidence(labels, answered(now, CLASSES), before)

    verdict = judge(both, STRICT)
    assert verdict.decision == "promote"
    assert both.comparison is not None
    assert both.comparison.overall is not None
    assert both.comparison.overall.images == 200
    assert "New: fox. Compared with the champion on the 200 test images" in reason(verdict, "classes-kept").text
    assert broken(judge(both, Gate(min_class_recall=0.7))) == {"class-recall-floor"}


def test_removed_classes_are_rejected_unless_they_are_allowed() -> None:
    labels, now = predictions(cat=(100, 95), dog=(100, 95))
    two = answered([label if label != "fox" else "cat" for label in now], ("cat", "dog"))
    both = evidence(labels, two, answered(now, CLASSES))

    verdict = judge(both, Gate())
    assert broken(verdict) == {"classes-kept"}
    assert "Gone: fox." in reason(verdict, "classes-kept").text
    assert "gate.allow_removed_classes=true" in reason(verdict, "classes-kept").text
    assert judge(both, Gate(allow_removed_classes=True)).decision == "promote"


def test_class_lists_without_a_common_class_leave_the_floors_to_decide() -> None:
    labels, now = predictions(cat=(100, 95), dog=(100, 95), fox=(100, 95))
    other = answered(["ant"] * 300, ("ant", "bee"))
    both = evidence(labels, answered(now, CLASSES), other)

    verdict = judge(both, Gate(allow_removed_classes=True))
    assert verdict.decision == "promote"
    assert verdict.summary.startswith("Promoted without a comparison")


def test_the_order_of_the_champions_classes_does_not_count() -> None:
    turned = answered(PREDICTED, CLASSES[::-1])
    verdict = judge(evidence(LABELS, good(), turned, champion_learnt_from=SNAPSHOT), STRICT)
    assert broken(verdict) == {"something-new"}


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.nan, "1 of 300 answers hold NaN or infinity"),
        (np.inf, "1 of 300 answers hold NaN or infinity"),
        (-np.inf, "1 of 300 answers hold NaN or infinity"),
        (-0.5, "1 of 300 answers hold numbers below 0 or above 1"),
        (0.4, "1 of 300 answers do not sum to 1"),
    ],
)
def test_answers_that_are_no_probabilities_are_rejected_in_words(value: float, what: str) -> None:
    sick = good()
    sick.probabilities[7, 0] = value
    verdict = judge(evidence(LABELS, sick, good()), Gate(min_accuracy=0.5))

    assert (verdict.decision, broken(verdict)) == ("reject", {"probabilities"})
    assert what in reason(verdict, "probabilities").text
    assert "cat.jpg" in reason(verdict, "probabilities").text
    assert verdict.candidate_metrics == {}


def with_broken_champion() -> Evidence:
    fault = "models/3 does not load as a SavedModel: it is a cake"
    no_champion = Judged(None, "unknown", (), 0, 0, 0, None, fault, None)
    return evidence(LABELS, good()).model_copy(update={"champion": no_champion, "champion_version": 3})


def test_a_champion_that_cannot_be_judged_rejects_and_says_what_to_do() -> None:
    verdict = judge(with_broken_champion(), Gate())
    assert (verdict.decision, broken(verdict)) == ("reject", {"champion"})
    assert "it is a cake. Roll back to a version that works" in reason(verdict, "champion").text
    assert "gate.allow_broken_champion=true" in reason(verdict, "champion").text


def test_a_broken_champion_may_be_replaced_where_that_is_asked_for() -> None:
    verdict = judge(with_broken_champion(), Gate(allow_broken_champion=True))
    assert verdict.decision == "promote"
    assert reason(verdict, "champion").noted


def test_an_empty_test_split_is_rejected_naming_what_to_change() -> None:
    nothing = evidence([], answered([], CLASSES), answered([], CLASSES))
    verdict = judge(nothing.model_copy(update={"left_out": 12}), Gate(min_accuracy=0.9, min_class_recall=0.9))
    assert (verdict.decision, broken(verdict)) == ("reject", {"test-images"})
    assert "validation leaves 12 images of it out. Add photos" in reason(verdict, "test-images").text


def test_a_class_without_test_images_is_noted_and_rejected_where_every_class_has_a_floor() -> None:
    labels, now = predictions(cat=(100, 95), dog=(100, 95))
    some = evidence(labels, answered(now, CLASSES))

    verdict = judge(some, Gate())
    assert verdict.decision == "promote"
    assert reason(verdict, "classes-tested").noted
    assert "No test image of fox" in reason(verdict, "classes-tested").text
    assert broken(judge(some, Gate(min_class_recall=0.5))) == {"classes-tested"}


def test_a_test_split_of_one_class_shows_nothing() -> None:
    labels, now = predictions(cat=(100, 100))
    assert broken(judge(evidence(labels, answered(now, CLASSES)), Gate())) == {"beats-guessing"}


def test_labels_that_the_candidate_does_not_know_are_named() -> None:
    labels = [*LABELS, "owl"]
    verdict = judge(evidence(labels, answered([*PREDICTED, "cat"], CLASSES)), Gate())
    assert broken(verdict) == {"classes-known"}
    assert "owl (1 test image)" in reason(verdict, "classes-known").text


def test_a_candidate_of_other_data_is_rejected() -> None:
    verdict = judge(evidence(LABELS, good(), learnt_from="9" * 32), Gate())
    assert broken(verdict) == {"same-data"}


def test_few_test_images_are_noted_with_how_little_they_tell() -> None:
    labels, now = predictions(cat=(4, 4), dog=(4, 3), fox=(4, 3))
    found = reason(judge(evidence(labels, answered(now, CLASSES)), Gate()), "test-images")
    assert (found.passed, found.noted) == (True, True)
    assert found.text.startswith(
        "Only 12 test images: with other photos, the accuracy could be anything from 55.2 %"
    )


def test_a_slower_model_is_rejected_where_that_is_asked() -> None:
    slow = evidence(LABELS, good(), good(), latency=5.0)
    assert judge(slow, Gate()).decision == "promote"
    assert broken(judge(slow, Gate(max_latency_ratio=2))) == {"latency"}
    assert judge(slow, Gate(max_latency_ratio=2.5)).decision == "promote"


def test_every_broken_rule_is_named() -> None:
    verdict = judge(evidence(LABELS, good(), learnt_from="9" * 32), Gate(min_accuracy=0.99, min_macro_f1=0.99))
    assert verdict.summary == "Rejected: learnt from other data, accuracy too low, macro F1 too low"
    assert verdict.asked["min_accuracy"] == 0.99


def test_a_verdict_survives_being_written_and_read() -> None:
    verdict = judge(evidence(LABELS, good(), good()), Gate())
    again = Verdict.parse(verdict.text().encode(), "verdict.json")
    assert again == verdict
    assert type(again.asked["allow_removed_classes"]) is bool


def test_evidence_survives_being_written_and_read_and_judged_again() -> None:
    before = evidence(LABELS, good(), of(cat=(100, 90)))
    again = Evidence.parse(before.text().encode(), "evaluation.json")
    assert judge(again, STRICT) == judge(before, STRICT)


def test_a_reason_never_holds_what_moves_a_cursor() -> None:
    labels = ["cat\x1b[2J"] * 60 + ["dog"] * 60
    sick = answered(["dog"] * 120, ("cat\x1b[2J", "dog"))
    verdict = judge(evidence(labels, sick), Gate(min_class_recall=0.5))
    assert "class-recall-floor" in broken(verdict)
    assert "\x1b" not in "".join(each.text for each in verdict.reasons)


def test_a_latency_of_nobody_is_not_asked() -> None:
    both = evidence(LABELS, good(), good())
    unknown = both.model_copy(update={"candidate": replace(both.candidate, latency=None)})
    assert judge(unknown, Gate(max_latency_ratio=0.1)).decision == "promote"


def test_among_a_hundred_classes_chance_rejects_no_more_often_than_among_two() -> None:
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(200):
        # Equally good: on a tenth of the images they differ, each as often in the right.
        drawn = rng.multinomial(100, [0.05, 0.05, 0.9], size=100)
        fallen = [(int(b), int(f)) for b, f, _ in drawn if b - f > 5]
        found = [
            PairedClass(Paired(100, 100 - broken - fixed, fixed, broken, 0, 1.0, None), 0.0, 1.0)
            for broken, fixed in fallen
        ]
        rejected += any(is_worse(each, 100, Gate()) for each in found)
    assert rejected / 200 < 0.05
