import math

import pytest

from binocular.errors import SettingError
from components.validate.thresholds import Thresholds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unreadable_share", -0.1),
        ("label_conflict_share", 1.1),
        ("leakage_share", math.nan),
        ("least_images_per_class", 0),
        ("most_imbalance", 0.5),
        ("most_drift", 2),
        ("odd_size", math.inf),
        ("dark", -1),
    ],
)
def test_a_threshold_outside_its_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"threshold {name} is .*it must be"):
        Thresholds(**{name: value})  # type: ignore[arg-type]
