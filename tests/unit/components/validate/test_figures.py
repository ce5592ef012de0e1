from pathlib import Path

import pytest

from binocular.quarantine import key
from binocular.snapshot import SPLITS
from components.validate import copies, page
from components.validate.figures import (
    HEIGHT,
    MOST_LARGE_CLASSES,
    MOST_SMALL_CLASSES,
    WIDTH,
    class_bars,
    shapes,
    sizes,
)
from components.validate.findings import Checked
from components.validate.thresholds import Thresholds
from components.validate.validation import assemble
from tests.unit.components.validate.conftest import of_rows, row


def test_a_bar_has_a_part_for_each_side_and_one_for_what_is_left_out() -> None:
    rows = [row(n, "cat", SPLITS[n % 3]) for n in range(9)] + [row(9, "dog")]
    snapshot = of_rows(rows)
    left_out = Checked(quarantined={key(rows[0]): "why"})
    (cat, dog), hidden = class_bars(assemble(snapshot, None, left_out, Thresholds()))

    assert (cat.label, cat.left_out, cat.numbers) == ("cat", 1, {"train": 2, "validation": 3, "test": 3})
    assert [part.kind for part in cat.parts] == ["train", "validation", "test", "left-out"]
    assert sum(part.width for part in cat.parts) == pytest.approx(100)
    assert sum(part.width for part in dog.parts) == pytest.approx(100 / 9)
    assert hidden == 0


def test_of_very_many_classes_the_largest_and_the_smallest_are_drawn() -> None:
    numbers = iter(range(100_000))
    snapshot = of_rows(row(next(numbers), f"class-{n:03}") for n in range(100) for _ in range(n + 1))
    bars, hidden = class_bars(assemble(snapshot, None, Checked(), Thresholds()))

    assert len(bars) == MOST_LARGE_CLASSES + MOST_SMALL_CLASSES == 100 - hidden
    assert (bars[0].label, bars[-1].label) == ("class-099", "class-000")


def test_histograms_draw_every_image_within_their_canvas() -> None:
    rows = [row(n, width=width, height=100) for n, width in enumerate([10, 100, 100, 100, 5000])]
    for chart in (sizes(rows), shapes(rows)):
        assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in chart.bars)
        assert all(bar.height > 0 and bar.y + bar.height == pytest.approx(HEIGHT) for bar in chart.bars)
        assert all(0 <= x <= WIDTH for x, _ in chart.ticks)
    assert "3 images (60 %) of 100 x 100; from 100 to 5000 pixels" in sizes(rows).says
    assert shapes(rows).says == "1 wider than tall, 1 taller than wide, 3 square"


def test_images_that_are_all_of_one_size_are_one_bar() -> None:
    (bar,) = sizes([row(n) for n in range(3)]).bars
    assert bar.height == HEIGHT


def test_a_leak_is_shown_with_the_nearest_image_of_the_other_side() -> None:
    train = row(1, group="g", phash="0" * 16)
    far = row(2, split="test", group="g", phash="0" * 12 + "ffff")
    near = row(3, split="test", group="g", phash="0" * 15 + "1")
    (finding,) = copies.leakage([train, far, near], Thresholds()).findings

    assert [file.sha256 for file in finding.cases[0].files] == [train.sha256, near.sha256, far.sha256]


def test_an_image_under_two_names_is_shown_under_both(tmp_path: Path) -> None:
    (finding,) = copies.duplicates([row(1, found=2, sources=("a.jpg", "b.jpg"))]).findings
    snapshot = of_rows([])
    report = assemble(snapshot, None, Checked([finding]), Thresholds())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "_pictures", lambda *_: {})
        text = page.render(report, snapshot, tmp_path)
    assert '<div class="name">a.jpg</div>' in text
    assert '<div class="name">b.jpg</div>' in text
