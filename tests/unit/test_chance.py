"""How likely a difference between two models is chance."""

import pytest
from scipy.stats import binom

from binocular.chance import worse_by_chance


def test_only_images_on_which_two_models_differ_tell_which_is_worse() -> None:
    assert worse_by_chance(1, 9) == pytest.approx(binom.cdf(1, 10, 0.5))
    assert worse_by_chance(9, 1) > 0.99
    assert worse_by_chance(0, 0) == 1.0
