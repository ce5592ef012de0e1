import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from binocular.report.pictures import small
from binocular.snapshot import Split
from components.validate.findings import Finding
from components.validate.pixels import MOST_SIDE
from components.validate.thresholds import Thresholds
from tests.unit.components.validate.conftest import LENIENT, Frozen, MakeFrozen, found, picture, plain, png

ODD: dict[str, Callable[[], Image.Image]] = {
    "dark": lambda: Image.effect_noise((48, 48), 20).point(lambda value: value // 6).convert("RGB"),
    "light": lambda: Image.effect_noise((48, 48), 20).point(lambda value: 250 + value // 60).convert("RGB"),
    # Its border is black: a bright one is an edge to cleanvision.
    "blurred": lambda: ImageOps.invert(Image.radial_gradient("L").resize((48, 48))).convert("RGB"),
    "low_information": lambda: Image.new("RGB", (48, 48), (120, 80, 60)),
    "odd_size": lambda: Image.effect_noise((900, 900), 90).convert("RGB"),
    "odd_aspect_ratio": lambda: Image.effect_noise((120, 30), 90).convert("RGB"),
}


@pytest.fixture
def odd(frozen: MakeFrozen) -> Callable[[str], Frozen]:
    return lambda check: frozen([*plain(), found("train/cat/odd.png", "cat", png(ODD[check]()), "train")])


def outliers(frozen: Frozen, thresholds: Thresholds = LENIENT) -> dict[str, Finding]:
    return {each.check: each for each in frozen.report(thresholds).findings if each.check in ODD}


@pytest.mark.parametrize("check", ODD)
def test_an_odd_image_is_found_and_named_and_plain_ones_are_not(odd: Callable[[str], Frozen], check: str) -> None:
    finding = outliers(odd(check))[check]

    assert (finding.severity, finding.total) == ("soft", 1)
    assert "train/cat/odd.png" in finding.message


@pytest.mark.parametrize(
    ("check", "limit"),
    [
        ("dark", 0.0),
        ("light", 0.0),
        ("blurred", 0.0),
        ("low_information", 0.0),
        ("odd_aspect_ratio", 0.2),
    ],
)
def test_a_lower_line_lets_it_pass(odd: Callable[[str], Frozen], check: str, limit: float) -> None:
    lenient = Thresholds(**{check: limit}, least_images_per_class=1)  # type: ignore[arg-type]
    assert check not in outliers(odd(check), lenient)


def test_how_far_off_a_size_may_be_is_a_threshold(frozen: MakeFrozen) -> None:
    files = plain()
    files += [found(f"train/cat/{n}.png", "cat", picture(n, (40 + n, 40 + n)), "train") for n in range(1, 30)]
    files.append(found("train/cat/large.png", "cat", picture(99, (120, 120)), "train"))
    made = frozen(files)

    assert "odd_size" in outliers(made, Thresholds(odd_size=1))
    assert "odd_size" not in outliers(made, Thresholds(odd_size=20))


def test_a_pixel_more_or_less_is_no_odd_size_where_all_others_are_equal(frozen: MakeFrozen) -> None:
    made = frozen([*plain(), found("train/cat/crop.png", "cat", picture(7, (47, 48)), "train")])
    assert "odd_size" not in outliers(made)


def test_outliers_stay_unless_asked_to_leave_and_then_only_from_training(frozen: MakeFrozen) -> None:
    sides: tuple[tuple[Split, int], ...] = (("train", 50), ("test", 49))
    black = [found(f"{side}/cat/black.png", "cat", png(Image.new("RGB", (50, size))), side)
             for side, size in sides]  # fmt: skip
    made = frozen([*plain(), *black])
    stern = Thresholds(leakage_share=1, near_leaks=False, least_images_per_class=1, quarantine_outliers=True)

    assert made.report(Thresholds(near_leaks=False)).quarantined == {}
    assert {split for _, _, split in made.report(stern).quarantined} == {"train"}
    tested = frozen([*plain(), black[1]]).report(stern)
    assert "0 training images left out." in next(each for each in tested.findings if each.check == "dark").message


def test_a_large_photo_is_measured_small_in_its_own_proportions(frozen: MakeFrozen) -> None:
    data = picture(1, (2000, 500))
    made = frozen([found("a.png", "cat", data), found("b.png", "dog", picture(2))])
    (row,) = [row for row in made.snapshot.rows if row.width == 2000]
    assert small(row, data, MOST_SIDE).size == (MOST_SIDE, MOST_SIDE // 4)


def test_importing_the_component_does_not_import_cleanvision() -> None:
    script = (
        "import sys, components.validate.validation; print('cleanvision' in sys.modules, 'pandas' in sys.modules)"
    )
    root = Path(__file__).parents[4]
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.split() == ["False", "False"]
