import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from binocular import snapshot as snapshots
from binocular.sample.drawing import write
from binocular.sample.faults import Planted
from binocular.sample.spec import FAULTS, Spec
from binocular.snapshot import Place, Rejected, Row, Snapshot, Split
from components.ingest.freezing import Options, freeze_source
from components.ingest.sources import Found
from components.validate.report import Report
from components.validate.thresholds import Thresholds
from components.validate.validation import validate

LENIENT = Thresholds(unreadable_share=1, label_conflict_share=1, leakage_share=1, least_images_per_class=1)


@dataclass(frozen=True)
class Frozen:
    """A snapshot, the folder of its packs, and the faults that were planted in what it was made of."""

    snapshot: Snapshot
    folder: Path
    planted: list[Planted]

    def report(self, thresholds: Thresholds = LENIENT, champion: Snapshot | None = None) -> Report:
        return validate(self.snapshot, self.folder, thresholds, champion)


def published(folder: Path) -> Iterator[Found]:
    """The files of a folder laid out as train/<class> and test/<class>."""
    for path in sorted(folder.rglob("*.jpg")):
        side, label, _ = path.relative_to(folder).parts
        assert side in {"train", "test"}
        split: Split = "train" if side == "train" else "test"
        yield Found(path.relative_to(folder).as_posix(), label, split, path.read_bytes)


def freeze(found: Iterable[Found], folder: Path) -> Frozen:
    return Frozen(freeze_source(found, folder, None, Options()), folder, [])


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    """The sample with every fault planted."""
    folder = tmp_path_factory.mktemp("faulty")
    planted = write(folder / "sample", Spec(images=40, size=64, split=True, plant=FAULTS))
    frozen = freeze(published(folder / "sample"), folder / "snapshot")
    return Frozen(frozen.snapshot, frozen.folder, planted)


def picture(seed: int, size: tuple[int, int] = (48, 48)) -> bytes:
    """A picture unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
    return png(coarse.resize(size, Image.Resampling.NEAREST))


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def found(source: str, label: str, data: bytes, split: Split | None = None) -> Found:
    return Found(source, label, split, lambda: data)


def plain(labels: Sequence[str] = ("cat", "dog"), number: int = 6) -> list[Found]:
    """A few pictures of each class on each side, with nothing wrong about them."""
    sides: tuple[Split, ...] = snapshots.SPLITS
    return [
        found(f"{side}/{label}/{i}.png", label, picture(hash_of(f"{side} {label} {i}")), side)
        for label in labels
        for side in sides
        for i in range(number)
    ]


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


MakeFrozen = Callable[[Iterable[Found]], Frozen]


@pytest.fixture
def frozen(tmp_path: Path) -> MakeFrozen:
    return lambda files: freeze(files, tmp_path / "snapshot")


def row(number: int, label: str = "cat", split: Split = "train", **facts: object) -> Row:
    """A row without an image behind it."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    given = {
        "sha256": sha256,
        "sources": (f"{split}/{label}/{number}.jpg",),
        "found": 1,
        "width": 64,
        "height": 48,
        "group": sha256,
        "published": None,
        "phash": sha256[:16],
        "place": Place("none", 0, 0),
    } | facts
    return Row(label=label, split=split, corrected=False, format="JPEG", **given)  # type: ignore[arg-type]


def of_rows(rows: Iterable[Row], rejected: Iterable[Rejected] = ()) -> Snapshot:
    return snapshots.freeze(rows, rejected)


def members(archive: Path) -> Iterator[Found]:
    """The files of a tar of class folders below one folder."""
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                _, label, _ = member.name.split("/")
                data = file.read()
                yield found(member.name, label, data)
