"""Results on photographs: how sets are arranged, what figures come of trials, and the page."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reproduce import results
from benchmarks.reproduce.photosets import PHOTO_SETS, PhotoSet
from benchmarks.reproduce.results import PhotoResults, Strangers
from benchmarks.reproduce.strangers import Told, tell
from benchmarks.reproduce.trials import Mistake, Outcome
from binocular.candidate import Choice
from components.evaluate.measures import measure
from components.train.recipe import Recipe
from components.train.sweep import Contestant, Sweep

CLASSES = ("glass", "metal")


def outcome(seed: int, right: int) -> Outcome:
    """Of ten test images so many are answered rightly."""
    labels = ["glass"] * 5 + ["metal"] * 5
    rights = [place < right for place in range(10)]
    sure = [0.9 if (label == "glass") == is_right else 0.1 for label, is_right in zip(labels, rights, strict=True)]
    shares = np.array([[each, 1 - each] for each in sure])
    measures = measure(labels, shares, CLASSES)
    wrong = tuple(
        Mistake(file=f"{n}.jpg", label=labels[n], said="glass", confidence=0.9) for n in range(10) if not rights[n]
    )
    choice = Choice(name="image_size", value="224", because="the middle photo is 384 pixels wide or high")
    return Outcome(
        seed=seed,
        seconds=60.0,
        images={"train": 100},
        chosen=(choice,),
        watt_hours=None if seed == 1 else 2.0,
        every=measures,
        apart=measures,
        mistakes=wrong,
    )


def test_strangers_are_told_where_they_get_less_confidence() -> None:
    own = [0.5 + n / 200 for n in range(100)]
    assert tell(own, [0.1, 0.2]) == Told(1.0, 1.0)
    assert tell(own, own).roc_auc == pytest.approx(0.5)
    assert tell(own, own).refused == pytest.approx(0.05)


def test_a_mean_over_seeds_has_its_interval() -> None:
    outcomes = [outcome(1, 8), outcome(2, 9), outcome(3, 10)]
    # Student's t of two degrees of freedom is 4.303 at 95 %.
    assert results.mean(outcomes, results.share("every", "accuracy")) == "0.900 ± 0.248"
    assert results.mean(outcomes[:1], results.share("every", "accuracy")) == "0.800"
    assert results.mean(outcomes[:1], lambda each: each.watt_hours) == ""


def test_the_page_says_what_came_of_every_recipe() -> None:
    figures = {"accuracy": 0.9, "balanced_accuracy": 0.9, "log_loss": 0.3, "temperature": 1.0}
    four = Sweep.of([Contestant.of(Recipe(l2=each), figures, 2.0) for each in (0.001, 0.01)])
    outcomes = {
        "pretrained": [outcome(1, 8), outcome(2, 9)],
        "raw": [outcome(2, 6)],
        "regularised": [outcome(1, 7)],
    }
    found = PhotoResults(PHOTO_SETS[0], ["soft: three images are labelled twice"], outcomes, four)
    text = results.render(
        [found], [Strangers("trashnet", "fruits8", "familiarity", [Told(0.97, 0.8)])], {"cores": 2}
    )
    assert "| pretrained, 2 seeds | 0.850 ± 0.635 |" in text
    assert "| raw | 0.600 |" in text
    assert "| 9.jpg | metal | glass | 0.90 | 2 of 2 |" in text
    assert "image_size 224, because the middle photo" in text
    assert "| trashnet | fruits8 | familiarity | 0.970 (0.970 to 0.970) | 0.800 (0.800 to 0.800) |" in text
    assert "three images are labelled twice" in text


def test_turns_about_one_axis_are_learnt_from_and_the_others_tested_on(tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    with tarfile.open(archives / "fruits8.tar", "w") as tar:
        for name in (
            "train/Mango/1_100.jpg",
            "test/Mango/2_100.jpg",
            "train/Mango/r_3_100.jpg",
            "test/Mango/r2_4.jpg",
        ):
            tar.addfile(tarfile.TarInfo(f"fruits8/{name}"), io.BytesIO())
    by_axis = next(each for each in PHOTO_SETS if each.arranged)
    folder = Path(str(by_axis.source(archives, tmp_path / "scratch")))
    sides = {side: sorted(path.name for path in folder.glob(f"{side}/Mango/*")) for side in ("train", "test")}
    assert [len(names) for names in sides.values()] == [2, 2]
    assert all("-r" in name for name in sides["test"])
    assert by_axis.source(tmp_path, tmp_path) is None


def test_photos_that_were_arranged_in_part_are_arranged_anew(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"), io.BytesIO())

    def cut_off(_: Path, folder: Path) -> None:
        folder.mkdir()
        raise KeyboardInterrupt

    def arranged(unpacked: Path, folder: Path) -> None:
        folder.mkdir()
        (unpacked / "a.jpg").rename(folder / "a.jpg")

    with pytest.raises(KeyboardInterrupt):
        PhotoSet("set", "set.tar", "", cut_off).source(tmp_path, tmp_path / "scratch")
    folder = Path(str(PhotoSet("set", "set.tar", "", arranged).source(tmp_path, tmp_path / "scratch")))
    assert [path.name for path in folder.iterdir()] == ["a.jpg"]
