"""The photos that results are about, each set as a folder that ingest takes.

    for photos in PHOTO_SETS: photos.source(Path("archives"), Path("scratch"))

An archive is looked for in the folder that is named; what is not there is downloaded, if ingest knows from where.
"""

import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.ingest.datasets import DATASETS

# Where a turntable's photos say, before the number, about which other axis the fruit turned.
OTHER_AXIS = "r"


@dataclass(frozen=True)
class PhotoSet:
    """A set of photos with labels."""

    name: str
    archive: str
    says: str
    arranged: Callable[[Path, Path], None] | None = None  # from the unpacked folder into another one

    def source(self, archives: Path, scratch: Path) -> str | None:
        """What ingest is told; None where the set is neither here nor can be had."""
        path = archives / self.archive
        if not path.is_file():
            return self.name if self.name in DATASETS else None
        if self.arranged is None:
            return str(path)
        unpacked, folder = scratch / "unpacked", scratch / self.name
        if not folder.is_dir():
            with tarfile.open(path) as tar:
                tar.extractall(unpacked, filter="data")
            # Whole or not at all: whoever is cut off here shall not be tested on a part.
            draft = scratch / f".{self.name}.arranging"
            shutil.rmtree(draft, ignore_errors=True)
            self.arranged(unpacked, draft)
            draft.rename(folder)
        return str(folder)


def _by_axis(unpacked: Path, folder: Path) -> None:
    """Turns about one axis to learn from, turns about the others to be tested on."""
    for photo in sorted(unpacked.rglob("*.jpg")):
        side = "test" if photo.name.startswith(OTHER_AXIS) else "train"
        place = folder / side / photo.parent.name / f"{photo.parent.parent.name}-{photo.name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        photo.rename(place)


PHOTO_SETS = (
    PhotoSet("trashnet", "trashnet.tar", "2,527 photos of waste in six classes, each object once"),
    PhotoSet("fruits8", "fruits8.tar", "eight fruits on a turntable, the publisher's own split"),
    PhotoSet(
        "fruits8-by-axis",
        "fruits8.tar",
        "the same photos: turns about one axis to learn from, turns about the others to be tested on",
        _by_axis,
    ),
)
