from binocular.quarantine import key
from components.validate import copies
from components.validate.findings import MOST_CASES, MOST_FILES, Checked
from components.validate.thresholds import Thresholds
from tests.unit.components.validate.conftest import row


def hard(checked: Checked) -> bool:
    (finding,) = checked.findings
    return finding.severity == "hard"


def test_an_image_found_twice_is_a_duplicate_and_stays() -> None:
    twice = row(1, found=2, sources=("a.jpg", "b.jpg"))
    checked = copies.duplicates([twice, row(2)])

    (finding,) = checked.findings
    assert (finding.severity, finding.total, checked.quarantined) == ("soft", 1, {})
    assert "a.jpg = b.jpg" in finding.message


def test_the_same_image_twice_under_one_label_is_a_duplicate_also_in_two_rows() -> None:
    (finding,) = copies.duplicates([row(1), row(1, published="train")]).findings
    assert finding.cases[0].total == 2


def test_images_that_look_alike_are_a_group_and_stay() -> None:
    checked = copies.near_duplicates([row(1, group="g"), row(2, group="g"), row(3)])

    (finding,) = checked.findings
    assert (finding.severity, finding.total, checked.quarantined) == ("soft", 1, {})
    assert {file.sources[0] for file in finding.cases[0].files} == {"train/cat/1.jpg", "train/cat/2.jpg"}


def test_one_image_is_no_group_however_often_it_is_there() -> None:
    assert copies.near_duplicates([row(1), row(1, "dog")]).findings == []


def test_label_conflicts_are_soft_up_to_their_share_and_hard_above() -> None:
    rows = [row(1), row(1, "dog"), *(row(n) for n in range(2, 51))]

    assert not hard(copies.label_conflicts(rows, Thresholds(label_conflict_share=1 / 50)))
    assert hard(copies.label_conflicts(rows, Thresholds(label_conflict_share=1 / 51)))


def test_a_label_conflict_names_both_files_with_their_labels_and_leaves_both_out() -> None:
    rows = [row(1), row(1, "dog", "test"), row(2)]
    checked = copies.label_conflicts(rows, Thresholds())

    assert "cat in train/cat/1.jpg and dog in test/dog/1.jpg" in checked.findings[0].message
    assert set(checked.quarantined) == {key(rows[0]), key(rows[1])}


def test_images_that_look_alike_under_two_labels_are_shown_and_stay() -> None:
    rows = [row(1, group="g"), row(2, "dog", group="g"), row(3, group="g")]
    checked = copies.near_label_conflicts(rows, [])

    (finding,) = checked.findings
    assert (finding.severity, checked.quarantined) == ("soft", {})
    assert {file.label for file in finding.cases[0].files[:2]} == {"cat", "dog"}


def test_the_very_same_image_under_two_labels_is_not_reported_as_look_alikes_too() -> None:
    rows = [row(1), row(1, "dog")]
    conflicts = copies.label_conflicts(rows, Thresholds(label_conflict_share=1))

    assert copies.near_label_conflicts(rows, conflicts.quarantined).findings == []


def test_of_a_leak_the_best_side_stays_test_before_validation_before_train() -> None:
    in_test = [row(1), row(1, split="validation"), row(1, split="test")]
    in_validation = [row(2, group="g"), row(3, split="validation", group="g")]
    checked = copies.leakage([*in_test, *in_validation], Thresholds(leakage_share=1))

    assert set(checked.quarantined) == {key(in_test[0]), key(in_test[1]), key(in_validation[0])}
    assert checked.findings[0].total == 2


def test_leaks_are_soft_up_to_their_share_of_test_and_hard_above() -> None:
    rows = [row(1), *(row(n, split="test") for n in range(1, 21))]

    assert not hard(copies.leakage(rows, Thresholds(leakage_share=1 / 20)))
    assert hard(copies.leakage(rows, Thresholds(leakage_share=1 / 21)))


def test_a_leak_between_training_and_validation_is_never_hard() -> None:
    checked = copies.leakage([row(1), row(1, split="validation")], Thresholds(leakage_share=0))
    assert not hard(checked)
    assert "The validation copy stays" in checked.findings[0].message


def test_near_duplicates_leak_unless_only_identical_images_count() -> None:
    rows = [row(1, group="g"), row(2, split="test", group="g")]

    assert copies.leakage(rows, Thresholds(near_leaks=True)).quarantined
    assert not copies.leakage(rows, Thresholds(near_leaks=False)).findings


def test_lists_are_bounded_and_totals_are_not() -> None:
    many = copies.duplicates([row(n, found=2) for n in range(MOST_CASES + 1)]).findings[0]
    assert (len(many.cases), many.total) == (MOST_CASES, MOST_CASES + 1)
    large = copies.near_duplicates([row(n, group="g") for n in range(MOST_FILES + 1)]).findings[0]
    assert (len(large.cases[0].files), large.cases[0].total) == (MOST_FILES, MOST_FILES + 1)


def test_a_message_names_no_more_than_a_person_reads() -> None:
    rows = [row(n, found=2, sources=(f"{n}-{'x' * 5000}.jpg",)) for n in range(500)]
    message = copies.duplicates(rows).findings[0].message
    assert len(message) < 1000
    assert "and 497 more" in message
