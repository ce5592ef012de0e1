import hashlib
from collections import Counter

import numpy as np
import pytest

from binocular.errors import SettingError
from binocular.snapshot import Split
from components.ingest.splits import Candidate, Shares, assign

SHARES = Shares()


def candidate(
    number: int, label: str = "glass", group: int | None = None, published: Split | None = None, phash: int = 0
) -> Candidate:
    sha256 = hashlib.sha256(b"%d" % number).hexdigest()
    return Candidate(sha256, label, np.uint64(phash), number if group is None else group, published)


def many(count: int, first: int = 0) -> list[Candidate]:
    return [candidate(number) for number in range(first, first + count)]


def test_shares_come_out_about_as_asked() -> None:
    sides = Counter(assign(many(10_000), {}, SHARES))

    assert 6_800 < sides["train"] < 7_200
    assert 1_350 < sides["validation"] < 1_650
    assert 1_350 < sides["test"] < 1_650


def test_the_order_and_the_other_images_do_not_matter() -> None:
    images = many(1_000)
    together = dict(zip(images, assign(images, {}, SHARES), strict=True))
    backwards = dict(zip(images[::-1], assign(images[::-1], {}, SHARES), strict=True))
    fewer = dict(zip(images[:500], assign(images[:500], {}, SHARES), strict=True))

    assert together == backwards
    assert all(together[image] == side for image, side in fewer.items())


def test_near_duplicates_stay_together() -> None:
    images = [candidate(number, group=number // 10) for number in range(1_000)]
    sides = assign(images, {}, SHARES)

    assert all(len(set(sides[start : start + 10])) == 1 for start in range(0, 1_000, 10))


def test_what_was_decided_stays_even_where_a_new_image_joins_two_groups() -> None:
    train, test, bridge = (
        candidate(1, group=0, phash=0b0),
        candidate(2, group=0, phash=0b1111),
        candidate(3, group=0),
    )
    bridge = Candidate(bridge.sha256, "glass", np.uint64(0b1110), 0, None)
    previous: dict[tuple[str, Split | None], Split] = {(train.sha256, None): "train", (test.sha256, None): "test"}

    assert assign([train, bridge, test], previous, SHARES) == ["train", "test", "test"]


def test_a_published_split_is_respected_and_train_gives_up_a_validation_part() -> None:
    images = [candidate(n, published="train") for n in range(1_000)]
    images += [candidate(n, published="test") for n in range(1_000, 1_200)]
    sides = assign(images, {}, SHARES)

    assert set(sides[1_000:]) == {"test"}
    assert set(sides[:1_000]) == {"train", "validation"}
    assert 110 < sides[:1_000].count("validation") < 190


def test_a_published_validation_side_is_used_as_it_is() -> None:
    sides: list[Split] = ["train", "validation", "test"]
    images = [candidate(n, published=sides[n % 3]) for n in range(300)]

    assert assign(images, {}, SHARES) == [sides[n % 3] for n in range(300)]


def test_a_published_train_image_never_joins_the_test_side_of_its_near_duplicate() -> None:
    images = [candidate(1, group=0, published="train"), candidate(2, group=0, published="test")]

    assert assign(images, {}, SHARES) == ["train", "test"]


@pytest.mark.parametrize("count", range(3, 12))
def test_a_small_class_has_images_on_every_side(count: int) -> None:
    for seed in range(20):
        sides = assign(many(count, first=1_000 * seed), {}, SHARES)
        assert set(sides) == {"train", "validation", "test"}, (count, seed)


def test_a_class_of_one_image_can_be_trained_on_at_most() -> None:
    assert len(assign(many(1), {}, SHARES)) == 1


@pytest.mark.parametrize(("validation", "test"), [(0, 0.1), (0.5, 0.5), (0.1, -1), (float("nan"), 0.1)])
def test_shares_that_make_no_sense_are_refused(validation: float, test: float) -> None:
    with pytest.raises(SettingError, match="share"):
        Shares(validation, test)


def test_a_published_train_side_has_a_validation_part_even_where_the_test_side_looks_alike() -> None:
    images = [candidate(n, group=n % 200, published="train") for n in range(1_000)]
    images += [candidate(n, group=n % 200, published="test") for n in range(1_000, 1_200)]
    sides = assign(images, {}, SHARES)

    assert set(sides[1_000:]) == {"test"}
    assert 90 < sides[:1_000].count("validation") < 210
    assert sides[:1_000].count("test") == 0
