import time

import numpy as np
import pytest
from numpy.typing import NDArray

from components.ingest.neighbours import group, group_within_classes, nearest


def hashes(count: int, near: int, bits: int, seed: int = 0) -> NDArray[np.uint64]:
    """Random hashes, of which the first `near` differ from the next `near` in `bits` bits."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 2**64, count, dtype=np.uint64)
    for index in range(near):
        flipped = sum(1 << int(bit) for bit in rng.choice(64, bits, replace=False))
        found[index] = found[near + index] ^ np.uint64(flipped)
    return found


def brute_force(values: NDArray[np.uint64], distance: int) -> list[int]:
    """The same by comparing everything with everything."""
    groups = list(range(len(values)))
    for one, other in np.argwhere(np.triu(np.bitwise_count(values[:, None] ^ values[None, :]) <= distance, 1)):
        old, new = max(groups[one], groups[other]), min(groups[one], groups[other])
        groups = [new if each == old else each for each in groups]
    return groups


@pytest.mark.parametrize("distance", [0, 1, 4, 8, 14])
def test_it_finds_exactly_what_comparing_everything_finds(distance: int) -> None:
    values = hashes(400, 100, min(distance, 6))

    assert group(values, distance).tolist() == brute_force(values, distance)


def test_hashes_further_apart_are_not_joined() -> None:
    assert len(set(group(hashes(300, 100, 5), 4).tolist())) == 300
    assert len(set(group(hashes(300, 100, 4), 4).tolist())) == 200


def test_equal_hashes_are_always_joined() -> None:
    assert group(np.zeros(50_000, dtype=np.uint64), 4).tolist() == [0] * 50_000


def test_one_image_is_a_group() -> None:
    assert group(np.array([7], dtype=np.uint64), 4).tolist() == [0]


def test_the_nearest_is_found() -> None:
    assert nearest(np.array([0b0, 0b1111, 0b111], dtype=np.uint64), np.uint64(0b110)) == (2, 1)


def test_time_does_not_grow_with_the_square() -> None:
    def seconds(values: NDArray[np.uint64]) -> float:
        started = time.perf_counter()
        group(values, 4)
        return time.perf_counter() - started

    group(hashes(1_000, 10, 3), 4)
    small, large = seconds(hashes(10_000, 100, 3)), seconds(hashes(100_000, 100, 3))
    assert large < max(small, 0.02) * 40  # the square would be 100

    # Hashes that share most of their bits, as plain pictures' do, must not take it back there.
    alike = np.arange(60_000, dtype=np.uint64) << np.uint64(20)
    assert seconds(alike) < 30


def test_a_chain_that_swallows_a_class_is_taken_apart() -> None:
    # Each frame differs from the next in three bits, and all hang together at a distance of four.
    film = np.array([(1 << (n % 60)) * 7 for n in range(60)], dtype=np.uint64)
    still = hashes(440, 0, 0, seed=1)
    values, labels = np.concatenate([film, still]), ["film"] * 60 + ["still"] * 440

    assert len(set(group(film, 4).tolist())) == 1
    within = group_within_classes(values, labels, 4)
    assert np.unique(within[:60], return_counts=True)[1].max() <= 10
    assert (within[60:] == group(values, 4)[60:]).all()


def test_equal_hashes_stay_together_however_many_they_are() -> None:
    assert set(group_within_classes(np.zeros(100, dtype=np.uint64), ["black"] * 100, 4).tolist()) == {0}
