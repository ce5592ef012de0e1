"""What a network has seen, and what is like none of it."""

import numpy as np
import pytest

from components.train.familiar import A_CLASS, ENOUGH, KEPT, MOST_OF_A_CLASS, Prototypes, enough_of_each


def around(direction: int, number: int, seed: int, dimensions: int = 16) -> np.ndarray:
    """Vectors that point nearly the same way, of any length."""
    draw = np.random.default_rng(seed)
    spread = draw.normal(scale=0.1, size=(number, dimensions))
    spread[:, direction] += 1
    return (spread * draw.uniform(1, 9, (number, 1))).astype(np.float32)


def learnt(number: int = 200) -> Prototypes:
    """Of two classes, each in a direction of its own."""
    labels = np.repeat([0, 1], number)
    return Prototypes.of(np.concatenate([around(0, number, 1), around(1, number, 2)]), labels, seed=0)


def test_strangers_are_less_familiar_than_nearly_all_others() -> None:
    prototypes = learnt()
    line = prototypes.familiar_from(np.concatenate([around(0, 200, 3), around(1, 200, 4)]))
    assert line is not None
    assert prototypes.familiar_from(around(0, ENOUGH - 1, 3)) is None
    assert (prototypes.familiarity(around(5, 100, 5)) < line).all()
    kept = (prototypes.familiarity(around(1, 1000, 6)) >= line).mean()
    assert kept == pytest.approx(KEPT, abs=0.05)


def test_prototypes_are_few_and_of_length_one() -> None:
    vectors = learnt(MOST_OF_A_CLASS + 1).vectors
    assert vectors.shape == (2 * A_CLASS, 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors, learnt(MOST_OF_A_CLASS + 1).vectors)


def test_a_class_of_one_image_and_a_vector_of_nothing_are_no_trouble() -> None:
    features = np.concatenate([around(0, 1, 1), np.zeros((3, 16), np.float32)])
    prototypes = Prototypes.of(features, np.array([0, 1, 1, 1]), seed=0)
    assert prototypes.familiarity(features).tolist() == pytest.approx([1, 0, 0, 0], abs=1e-6)


def test_of_a_large_class_some_are_asked_about_and_of_a_small_one_all() -> None:
    labels = np.array([0, 1] * 5 + [1] * (2 * MOST_OF_A_CLASS))
    some = enough_of_each(labels, seed=3)
    assert np.bincount(labels[some]).tolist() == [5, MOST_OF_A_CLASS]
    assert np.array_equal(np.unique(some), some)
    assert np.array_equal(enough_of_each(labels, seed=3), some)
    assert not np.array_equal(enough_of_each(labels, seed=4), some)
