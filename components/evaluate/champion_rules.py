"""The rules about candidate and champion: may the one replace the other?"""

from typing import Final

from binocular import chance
from binocular.chance import HAIR, worse_by_chance
from binocular.report.words import named, percent
from binocular.verdict import Reason
from components.evaluate.evidence import Evidence, PairedClass
from components.evaluate.gate import Gate
from components.evaluate.reasons import (
    MOST_CLASSES_NAMED,
    Rule,
    against,
    fails,
    notes,
    passes,
    points,
    tested,
)


def _champion(evidence: Evidence, gate: Gate) -> Reason | None:
    if evidence.champion is None:
        floors = gate.min_accuracy or gate.min_macro_f1 or gate.min_class_recall
        rest = (
            ": the floors decide" if floors else " and no floor is asked for: being better than guessing decides"
        )
        return passes("champion", f"There is no champion to compare with{rest}.")
    fault = evidence.champion.fault
    if fault is None:
        return None
    text = f"The champion cannot be judged: {fault}."
    if gate.allow_broken_champion:
        return notes("champion", f"{text} It may be replaced all the same, because of gate.allow_broken_champion.")
    return fails(
        "champion",
        f"{text} Roll back to a version that works, or let the candidate replace it on the other rules alone "
        "with gate.allow_broken_champion=true.",
    )


def _classes_kept(evidence: Evidence, gate: Gate) -> Reason | None:
    compared = evidence.comparison
    if compared is None or not (compared.added or compared.removed):
        return None
    came = f"New: {named(compared.added, MOST_CLASSES_NAMED)}. " if compared.added else ""
    went = f"Gone: {named(compared.removed, MOST_CLASSES_NAMED)}. " if compared.removed else ""
    on = compared.overall.images if compared.overall else 0
    text = f"{came}{went}Compared with the champion on the {tested(on)} whose label both know."
    if compared.removed and not gate.allow_removed_classes:
        return fails(
            "classes-kept",
            f"{text} Whoever asks for a class that went would get a wrong answer: bring its photos back, or say "
            "gate.allow_removed_classes=true.",
        )
    return notes("classes-kept", text)


def _not_worse(evidence: Evidence, gate: Gate) -> Reason | None:
    compared = evidence.comparison.overall if evidence.comparison else None
    if compared is None or gate.max_accuracy_drop >= 1:
        return None
    likely = f"p = {compared.p:.2g}" if compared.p < 1 else "no sign of a difference"
    text = (
        f"Accuracy {percent(compared.candidate)}, {against(compared)} of {percent(compared.champion)} on "
        f"{tested(compared.images)}: {compared.fixed:,} fixed, {compared.broken:,} broken, {likely}. "
        f"It may be {points(gate.max_accuracy_drop)} lower at most."
    )
    return (passes if compared.drop <= gate.max_accuracy_drop + HAIR else fails)("not-worse", text)


def _class_not_worse(evidence: Evidence, gate: Gate) -> Reason | None:
    if evidence.comparison is None or not evidence.comparison.classes or gate.max_class_recall_drop >= 1:
        return None
    rule, allowed = "class-not-worse", f"more than {points(gate.max_class_recall_drop)} less than by the champion"
    fallen = {
        label: each
        for label, each in evidence.comparison.classes.items()
        if each.recognised.drop > gate.max_class_recall_drop + HAIR
    }
    classes = len(evidence.comparison.classes)
    guilty = {label: each for label, each in fallen.items() if is_worse(each, classes, gate)}
    if guilty:
        return fails(rule, f"Recognised {allowed}: {_falls(guilty)}.")
    if fallen:
        return notes(
            rule,
            f"Recognised {allowed}, but that may be chance or is made up for by fewer false alarms: "
            f"{_falls(fallen)}.",
        )
    return passes(rule, f"No class is recognised {allowed}.")


def is_worse(paired: PairedClass, classes: int, gate: Gate) -> bool:
    """Whether one of so many classes, recognised less than is allowed, is worse indeed."""
    # Who answers one class to everything recognises all of it: against that, nobody could win on recall alone.
    if paired.f1 >= paired.champion_f1:
        return False
    each = paired.recognised
    # Among a hundred classes, five look that bad by chance in a hundred: all of them share what is allowed to one.
    shared = gate.chance / classes
    return chance.is_worse(each.fixed, each.broken, each.images, chance=shared, collapse=gate.max_class_collapse)


def _falls(classes: dict[str, PairedClass]) -> str:
    """The classes that fell, deepest first."""
    ordered = sorted(classes.items(), key=lambda item: (-item[1].recognised.drop, item[0]))
    return named((_fall(label, each) for label, each in ordered), MOST_CLASSES_NAMED, "; ")


def _fall(label: str, paired: PairedClass) -> str:
    each = paired.recognised
    return (
        f"{label} {percent(each.champion)} → {percent(each.candidate)} of {tested(each.images)} "
        f"({each.fixed:,} fixed, {each.broken:,} broken, p = {worse_by_chance(each.fixed, each.broken):.2g}; "
        f"F1 {percent(paired.champion_f1)} → {percent(paired.f1)})"
    )


def _latency(evidence: Evidence, gate: Gate) -> Reason | None:
    now = evidence.candidate.latency
    before = evidence.champion.latency if evidence.champion else None
    if now is None or before is None or gate.max_latency_ratio <= 0:
        return None
    text = f"One image takes {now.p50:.3g} ms, with the champion {before.p50:.3g} ms; "
    text += f"{gate.max_latency_ratio:.3g} times as long is allowed."
    return (passes if now.p50 <= gate.max_latency_ratio * before.p50 else fails)("latency", text)


def _something_new(evidence: Evidence, _: Gate) -> Reason | None:
    same_data = evidence.champion is not None and evidence.champion.snapshot == evidence.snapshot
    if evidence.comparison is None or not (evidence.comparison.same_answers and same_data):
        return None
    return fails(
        "something-new",
        "The candidate learnt from the same data as the champion and gives the same answer to every test image: "
        "replacing one by the other would change nothing.",
    )


OF_CHAMPION: Final[tuple[Rule, ...]] = (
    _champion,
    _classes_kept,
    _not_worse,
    _class_not_worse,
    _latency,
    _something_new,
)
