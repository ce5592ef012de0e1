import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, UnidentifiedImageError

from binocular.cli import make_sample
from binocular.errors import ConflictError
from binocular.sample.drawing import render, write
from binocular.sample.objects import DRAWERS
from binocular.sample.spec import CLASSES, FAULTS, SMALLEST, Fault, Spec

SMALL = Spec(images=10, size=64)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.jpg")}


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    write(tmp_path / "one", SMALL)
    write(tmp_path / "two", SMALL)
    write(tmp_path / "other", Spec(images=10, size=64, seed=1))

    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert not set(files(tmp_path / "one").values()) & set(files(tmp_path / "other").values())


def test_it_is_six_folders_of_jpegs_of_the_size_asked_for(tmp_path: Path) -> None:
    seen: list[None] = []
    write(tmp_path / "sample", SMALL, lambda: seen.append(None))

    assert tuple(DRAWERS) == CLASSES == tuple(sorted(path.name for path in (tmp_path / "sample").iterdir()))
    assert len(files(tmp_path / "sample")) == len(seen) == SMALL.total == 60
    with Image.open(io.BytesIO(render("metal", 3, 64, 0))) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (64, 64), "RGB")


def test_no_two_images_are_alike(tmp_path: Path) -> None:
    write(tmp_path / "sample", SMALL)

    assert len(set(files(tmp_path / "sample").values())) == SMALL.total


def test_colour_does_not_tell_the_classes_apart() -> None:
    means = {
        label: np.mean(
            [np.asarray(Image.open(io.BytesIO(render(label, n, 32, 0)))).mean((0, 1)) for n in range(30)], 0
        )
        for label in CLASSES
    }
    spread = np.ptp(np.array(list(means.values())), axis=0)
    assert spread.max() < 50, means


def test_it_never_writes_into_a_folder_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="exists"):
        write(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "sample", SMALL, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_every_fault_is_planted_three_times_on_files_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    planted = write(folder, Spec(images=10, size=64, split=True, plant=FAULTS))

    assert [fault.fault for fault in planted] == [fault for fault in FAULTS for _ in range(3)]
    named = [name for fault in planted for name in fault.files]
    assert len(set(named)) == len(named)
    assert all((folder / name).is_file() for name in named)


def test_planted_faults_are_what_they_say(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    planted = write(folder, Spec(images=10, size=64, split=True, plant=FAULTS))

    def of(fault: Fault) -> list[tuple[Path, ...]]:
        return [tuple(folder / name for name in each.files) for each in planted if each.fault == fault]

    for (path,) in of("corrupt"):
        with pytest.raises((UnidentifiedImageError, OSError)), Image.open(path) as image:
            image.load()
    for first, second in of("duplicate"):
        assert (first.read_bytes(), first.parent) == (second.read_bytes(), second.parent)
    for first, second in of("near-duplicate"):
        assert first.read_bytes() != second.read_bytes()
    for first, second in of("conflict"):
        assert first.read_bytes() == second.read_bytes()
        assert first.parent.name != second.parent.name
    for first, second in of("leakage"):
        assert first.read_bytes() == second.read_bytes()
        assert (first.parent.parent.name, second.parent.parent.name) == ("train", "test")
        assert first.parent.name == second.parent.name


def test_leakage_needs_a_split(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="--split"):
        write(tmp_path / "sample", Spec(images=10, size=32, plant=("leakage",)))
    assert list(tmp_path.iterdir()) == []


def test_too_few_images_to_plant_in_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="too few images"):
        write(tmp_path / "sample", Spec(images=2, size=32, plant=("conflict",)))


@pytest.mark.parametrize("option", ["--images=0", "--size=8", "--seed=-1"])
def test_what_cannot_be_drawn_is_refused_by_name(tmp_path: Path, option: str) -> None:
    found = CliRunner().invoke(make_sample, [str(tmp_path / "sample"), option])
    assert (found.exit_code, option.partition("=")[0] in found.output) == (2, True)


def test_the_smallest_size_is_drawn(tmp_path: Path) -> None:
    found = CliRunner().invoke(make_sample, [str(tmp_path / "[sample]"), "--images=1", f"--size={SMALLEST}"])
    assert f"{tmp_path}/[sample]" in found.output
    assert len(files(tmp_path / "[sample]")) == len(CLASSES)
