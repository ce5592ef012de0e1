"""Faults that real folders of photos have, planted where a test can name them."""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from binocular.errors import ConflictError
from binocular.sample.spec import FAULTS, Fault

# Each fault takes images of its own, so that no file has two: a stride past what the one before used.
PER_FAULT = 3
LOW_QUALITY = 45


@dataclass(frozen=True)
class Planted:
    """One fault: the file at fault, behind the one it was made from if there is one. Paths are relative."""

    fault: Fault
    files: tuple[str, ...]


def plant(folder: Path, chosen: tuple[Fault, ...]) -> list[Planted]:
    """Plant three of each chosen fault."""
    found = []
    for fault in chosen:
        images = _sources(folder, FAULTS.index(fault))
        for number, image in enumerate(images):
            files = _PLANTERS[fault](folder, image, number)
            found.append(Planted(fault, tuple(path.relative_to(folder).as_posix() for path in files)))
    return found


def _sources(folder: Path, place: int) -> list[Path]:
    """Three images of three classes, from the train side where there is one."""
    side = folder / "train" if (folder / "train").is_dir() else folder
    classes = sorted(path for path in side.iterdir() if path.is_dir())
    picked = []
    for number in range(PER_FAULT):
        images = sorted(classes[(place + number) % len(classes)].glob(f"*-{'[0-9]' * 4}.jpg"))
        if len(images) <= place:
            raise ConflictError(
                f"too few images to plant faults in: draw at least {2 * len(FAULTS)} in each class"
            )
        picked.append(images[place])
    return picked


def _corrupt(_: Path, image: Path, number: int) -> list[Path]:
    """A file cut off in the middle, an empty one, and one that is no image at all."""
    data = image.read_bytes()
    image.write_bytes([data[: len(data) // 2], b"", b"This is a text file.\n"][number % PER_FAULT])
    return [image]


def _duplicate(_: Path, image: Path, __: int) -> list[Path]:
    return [image, _copy(image, image.with_stem(f"{image.stem}-copy"))]


def _near_duplicate(_: Path, image: Path, __: int) -> list[Path]:
    """The same picture, a little smaller and compressed again."""
    with Image.open(image) as picture:
        width, height = picture.size
        again = io.BytesIO()
        picture.resize((width * 9 // 10, height * 9 // 10)).save(again, "JPEG", quality=LOW_QUALITY)
    twin = image.with_stem(f"{image.stem}-again")
    twin.write_bytes(again.getvalue())
    return [image, twin]


def _conflict(_: Path, image: Path, __: int) -> list[Path]:
    """The same file under another class."""
    classes = sorted(path for path in image.parent.parent.iterdir() if path.is_dir())
    other = classes[(classes.index(image.parent) + 1) % len(classes)]
    return [image, _copy(image, other / f"{other.name}-from-{image.name}")]


def _leakage(folder: Path, image: Path, __: int) -> list[Path]:
    """The same file on both sides of the published split."""
    if not (folder / "test").is_dir():
        raise ConflictError("leakage is between train and test: draw the sample with --split")
    return [
        image,
        _copy(image, folder / "test" / image.parent.name / image.with_stem(f"{image.stem}-leaked").name),
    ]


def _copy(source: Path, target: Path) -> Path:
    shutil.copyfile(source, target)
    return target


_PLANTERS: dict[Fault, Callable[[Path, Path, int], list[Path]]] = {
    "corrupt": _corrupt,
    "duplicate": _duplicate,
    "near-duplicate": _near_duplicate,
    "conflict": _conflict,
    "leakage": _leakage,
}
