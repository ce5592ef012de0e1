import numpy as np
import pytest

from components.validate.drift import drift, jensen_shannon
from components.validate.findings import Finding
from components.validate.thresholds import Thresholds
from tests.unit.components.validate.conftest import of_rows, row

BEFORE = of_rows(row(n, "cat" if n < 50 else "dog") for n in range(100))


def compared(thresholds: Thresholds | None = None, **counts: int) -> dict[str, Finding]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    now = of_rows(row(n, label) for n, label in enumerate(labels))
    return {each.check: each for each in drift(now, BEFORE, thresholds or Thresholds()).findings}


def test_more_of_the_same_is_no_drift() -> None:
    assert compared(cat=70, dog=70) == {}


def test_a_class_that_went_is_hard_unless_allowed() -> None:
    assert compared(cat=50)["classes_went"].severity == "hard"
    assert "dog" in compared(cat=50)["classes_went"].message
    assert compared(Thresholds(allow_removed_classes=True), cat=50)["classes_went"].severity == "soft"


def test_a_class_that_came_is_named_and_soft() -> None:
    came = compared(cat=50, dog=50, bird=5)["classes_came"]
    assert (came.severity, "bird" in came.message) == ("soft", True)


def test_shares_that_moved_are_soft_above_the_distance() -> None:
    moved = compared(cat=95, dog=5)["drift"]
    assert moved.severity == "soft"
    assert "cat 50 % → 95 %" in moved.message
    assert "drift" not in compared(Thresholds(most_drift=0.5), cat=95, dog=5)


def test_the_distance_is_zero_of_equals_and_one_of_strangers() -> None:
    one = np.array([0.3, 0.7, 0.0])
    assert jensen_shannon(one, one) == 0
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1)


def test_the_distance_of_all_but_equal_shares_is_a_number() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        one = rng.dirichlet(np.ones(5))
        other = np.nextafter(one, 1)
        assert 0 <= jensen_shannon(one, other) < 1e-6
