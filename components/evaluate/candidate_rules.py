"""The rules about the candidate alone: is there enough to judge it by, and is it good enough?"""

from typing import Final

from binocular.chance import HAIR
from binocular.report.words import counted, named, percent
from binocular.verdict import Reason
from components.evaluate.evidence import Evidence, overall
from components.evaluate.gate import Gate
from components.evaluate.reasons import MOST_CLASSES_NAMED, Rule, fails, notes, passes, points, tested


def _test_images(evidence: Evidence, gate: Gate) -> Reason | None:
    rule, images = "test-images", evidence.images
    if not images:
        aside = f"; validation leaves {counted(evidence.left_out, 'image')} of it out" if evidence.left_out else ""
        return fails(
            rule, f"The test split holds no image{aside}. Add photos of every class, then ingest and train again."
        )
    measures = evidence.candidate.measures
    if measures is None or "accuracy" not in measures.intervals:
        return None
    low, high = measures.intervals["accuracy"]
    known = f"with other photos, the accuracy could be anything from {percent(low)} to {percent(high)}"
    if images < gate.least_test_images:
        return notes(rule, f"Only {tested(images)}: {known}. Add photos to know more.")
    return passes(rule, f"{tested(images)}: {known} (95 % interval).")


def _same_data(evidence: Evidence, _: Gate) -> Reason | None:
    learnt_from = evidence.candidate.snapshot
    if learnt_from == evidence.snapshot:
        return None
    return fails(
        "same-data",
        f"The candidate learnt from the snapshot {learnt_from} and is judged on {evidence.snapshot}, whose test "
        f"images it may have learnt from. Train it on {evidence.snapshot}.",
    )


def _probabilities(evidence: Evidence, _: Gate) -> Reason | None:
    fault = evidence.candidate.fault
    if fault is None:
        return None
    return fails(
        "probabilities",
        f"The candidate's answers are no probabilities: {fault}. Train again with a lower learning rate.",
    )


def _classes_known(evidence: Evidence, _: Gate) -> Reason | None:
    if not evidence.unknown:
        return None
    missing = named((f"{label} ({tested(n)})" for label, n in evidence.unknown.items()), MOST_CLASSES_NAMED)
    return fails("classes-known", f"The candidate does not know {missing}. Train it on this snapshot.")


def _classes_tested(evidence: Evidence, gate: Gate) -> Reason | None:
    measures = evidence.candidate.measures
    if measures is None or not measures.images:
        return None
    missing = [each.label for each in measures.classes if not each.images]
    if not missing:
        return None
    text = f"No test image of {named(missing, MOST_CLASSES_NAMED)}: nobody knows how well "
    text += f"{'it is' if len(missing) == 1 else 'they are'} recognised. Add photos and ingest again."
    if gate.min_class_recall > 0:
        return fails(
            "classes-tested", f"{text} A recall of {percent(gate.min_class_recall)} is asked of every class."
        )
    return notes("classes-tested", text)


def _beats_guessing(evidence: Evidence, _: Gate) -> Reason | None:
    measures = evidence.candidate.measures
    if measures is None or not measures.images:
        return None
    present = sum(each.images > 0 for each in measures.classes)
    if present == 1:
        return fails(
            "beats-guessing",
            "All test images are of one class, so a model that always answers it would be perfect. "
            "Add photos of the other classes to the test split.",
        )
    balanced = measures.overall["balanced_accuracy"]
    text = f"On average over the classes, {percent(balanced)} of a class's images are recognised; "
    text += f"always giving the same answer reaches {percent(1 / present)}."
    return (passes if balanced > 1 / present + HAIR else fails)("beats-guessing", text)


def _accuracy_floor(evidence: Evidence, gate: Gate) -> Reason | None:
    return _floor(evidence, "accuracy-floor", "accuracy", "Accuracy", gate.min_accuracy)


def _macro_f1_floor(evidence: Evidence, gate: Gate) -> Reason | None:
    return _floor(evidence, "macro-f1-floor", "macro_f1", "Macro F1", gate.min_macro_f1)


def _floor(evidence: Evidence, rule: str, metric: str, title: str, least: float) -> Reason | None:
    found = overall(evidence.candidate).get(metric)
    if found is None or least <= 0:
        return None
    text = f"{title} {percent(found)}; asked for is {percent(least)} or more."
    return (passes if found >= least - HAIR else fails)(rule, text)


def _class_recall_floor(evidence: Evidence, gate: Gate) -> Reason | None:
    measures, least = evidence.candidate.measures, gate.min_class_recall
    if measures is None or not measures.images or least <= 0:
        return None
    recalls = {each.label: (each.recall, each.images) for each in measures.classes if each.recall is not None}
    low = {label: each for label, each in recalls.items() if each[0] < least - HAIR}
    asked = f"asked for is {percent(least)} or more of every class"
    if low:
        ordered = sorted(low.items(), key=lambda item: item[1][0])
        found = named((f"{label} {percent(r)} of {n:,}" for label, (r, n) in ordered), MOST_CLASSES_NAMED)
        return fails("class-recall-floor", f"Recognised too rarely: {found}; {asked}.")
    worst, (recall, _) = min(recalls.items(), key=lambda item: item[1][0])
    return passes("class-recall-floor", f"The worst class, {worst}, has a recall of {percent(recall)}; {asked}.")


def _calibration(evidence: Evidence, gate: Gate) -> Reason | None:
    found = overall(evidence.candidate).get("calibration_error")
    if found is None or gate.max_calibration_error >= 1:
        return None
    text = f"Confidence and accuracy are {points(found)} apart on average; "
    text += f"asked for is {points(gate.max_calibration_error)} or less."
    return (passes if found <= gate.max_calibration_error + HAIR else fails)("calibration", text)


OF_CANDIDATE: Final[tuple[Rule, ...]] = (
    _test_images,
    _same_data,
    _probabilities,
    _classes_known,
    _classes_tested,
    _beats_guessing,
    _accuracy_floor,
    _macro_f1_floor,
    _class_recall_floor,
    _calibration,
)
