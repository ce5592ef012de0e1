from binocular.quarantine import key
from binocular.snapshot import SPLITS, Rejected, Snapshot
from components.validate import amounts
from components.validate.thresholds import Thresholds
from tests.unit.components.validate.conftest import of_rows, row

LEAST = Thresholds(least_images_per_class=3)


def balanced(**counts: int) -> Snapshot:
    """So many training images of each class, one of validation, one of test."""
    numbers = iter(range(10_000))
    return of_rows(
        row(next(numbers), label, split)
        for label, count in counts.items()
        for split in SPLITS
        for _ in range(count if split == "train" else 1)
    )


def test_unreadable_files_are_soft_up_to_their_share_and_hard_above_and_named() -> None:
    snapshot = of_rows((row(n) for n in range(19)), [Rejected("train/cat/broken.jpg", "cat", "is damaged")])

    (soft,) = amounts.unreadable(snapshot, Thresholds(unreadable_share=1 / 20)).findings
    (hard,) = amounts.unreadable(snapshot, Thresholds(unreadable_share=1 / 21)).findings
    assert (soft.severity, hard.severity) == ("soft", "hard")
    assert "train/cat/broken.jpg (is damaged)" in soft.message
    assert "thresholds.unreadable_share" in hard.message


def test_enough_images_are_enough() -> None:
    assert amounts.enough(balanced(cat=3, dog=3), {}, LEAST).findings == []


def test_a_class_with_too_few_training_images_is_named_with_what_is_missing() -> None:
    (finding,) = amounts.enough(balanced(cat=3, dog=1), {}, LEAST).findings
    assert finding.severity == "hard"
    assert "class dog has 1 train image and needs 3: 2 missing" in finding.message
    assert "cat" not in finding.message


def test_a_class_without_validation_or_test_images_is_hard() -> None:
    complete = balanced(cat=3, dog=3)
    for side in ("validation", "test"):
        rows = [each for each in complete.rows if (each.label, each.split) != ("dog", side)]
        (finding,) = amounts.enough(of_rows(rows), {}, LEAST).findings
        assert f"class dog has 0 {side} images and needs 1: 1 missing" in finding.message


def test_what_is_left_out_counts_as_missing() -> None:
    snapshot = balanced(cat=3, dog=3)
    left_out = {key(each): "why" for each in snapshot.rows if (each.label, each.split) == ("dog", "train")}

    (finding,) = amounts.enough(snapshot, left_out, LEAST).findings
    assert "class dog has 0 train images and needs 3: 3 missing (3 left out)" in finding.message
    assert amounts.used(snapshot.rows, snapshot.classes, left_out)["train"] == {"cat": 3, "dog": 0}


def test_one_class_is_no_classifier() -> None:
    (finding,) = amounts.enough(balanced(cat=3), {}, LEAST).findings
    assert (finding.check, finding.severity) == ("classes", "hard")


def test_a_class_none_of_whose_files_is_an_image_does_not_vanish_silently() -> None:
    complete = balanced(cat=3, dog=3)
    snapshot = of_rows(complete.rows, [Rejected("bird/1.heic", "bird", "not an image")])

    (finding,) = amounts.enough(snapshot, {}, LEAST).findings
    assert finding.severity == "hard"
    assert "class bird has no images: its 1 file cannot be read" in finding.message


def test_uneven_classes_are_soft_above_their_ratio() -> None:
    snapshot = balanced(cat=8, dog=2)

    assert amounts.balance(snapshot, {}, Thresholds(most_imbalance=4)).findings == []
    (finding,) = amounts.balance(snapshot, {}, Thresholds(most_imbalance=3.9)).findings
    assert finding.severity == "soft"
    assert "cat has 8 training images, dog has 2: 4 times" in finding.message
