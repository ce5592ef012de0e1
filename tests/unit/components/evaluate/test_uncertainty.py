import time

import numpy as np
import pytest
from scipy.stats import binom

from components.evaluate.uncertainty import (
    difference_interval,
    macro_f1,
    macro_f1_interval,
    mcnemar,
    share_interval,
)


def test_the_interval_of_a_share_is_sound_also_without_a_mistake() -> None:
    assert share_interval(90, 100) == pytest.approx((0.826, 0.945), abs=0.001)
    low, high = share_interval(5, 5) or (0, 0)
    assert low < 0.6
    assert high == pytest.approx(1.0)
    assert share_interval(0, 0) is None


def confusion(seed: int, classes: int, images: int) -> np.typing.NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, images)
    predicted = np.where(rng.random(images) < 0.8, truth, rng.integers(0, classes, images))
    counted: np.typing.NDArray[np.int64] = np.zeros((classes, classes), np.int64)
    np.add.at(counted, (truth, predicted), 1)
    return counted


def test_the_bootstrap_by_cells_is_the_bootstrap_by_images() -> None:
    counted = confusion(0, 4, 200)
    truth, predicted = (np.repeat(places, counted.ravel()) for places in np.divmod(np.arange(16), 4))
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(2000):
        chosen = rng.integers(0, 200, 200)
        cells = np.zeros((4, 4))
        np.add.at(cells, (truth[chosen], predicted[chosen]), 1)
        drawn.append(macro_f1(np.diag(cells), cells.sum(1), cells.sum(0)))
    assert macro_f1_interval(counted) == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.01)


def test_the_bootstrap_is_the_same_every_time_and_does_not_grow_with_the_images() -> None:
    small, large = confusion(1, 50, 1000), confusion(1, 50, 1_000_000)
    assert macro_f1_interval(small) == macro_f1_interval(small)

    def seconds(counted: np.typing.NDArray[np.int64]) -> float:
        started = time.process_time()
        macro_f1_interval(counted)
        return time.process_time() - started

    assert seconds(large) < 100 * seconds(small)
    narrow, wide = macro_f1_interval(large) or (0, 1), macro_f1_interval(small) or (0, 1)
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 10


def test_no_mistake_no_interval() -> None:
    assert macro_f1_interval(np.diag([5, 5])) is None
    assert macro_f1_interval(np.zeros((3, 3), np.int64)) is None
    assert difference_interval(0, 0, 100) is None


def test_a_difference_lies_in_its_interval() -> None:
    low, high = difference_interval(20, 5, 100) or (0, 0)
    assert low < 0.15 < high
    assert low > 0


def test_mcnemar_asks_only_about_images_on_which_the_models_differ() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == pytest.approx(1.0)
    assert mcnemar(1, 9) == mcnemar(9, 1) == pytest.approx(2 * binom.cdf(1, 10, 0.5))
