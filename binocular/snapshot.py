"""A snapshot: the images and labels of one moment, frozen, with the digest that is the dataset's version.

    snapshot = read(folder)
    for row, data in images(folder, snapshot.rows): ...      # pack by pack, memory flat

In a folder it is `snapshot.json` (facts), `rows.jsonl.gz` (a row an image), `rejected.jsonl.gz` (files that are
no images), `README.md` (the dataset card, where ingest wrote one) and `packs/`, tar files of at most 64 MB that
hold the images' own bytes, so that a worker reads megabytes in a row instead of a hundred thousand files. A pack
is named by its SHA-256 and never changes; a later snapshot refers to the packs of an earlier one for what it has
in common.

The digest is that of images, labels and splits. Where they came from and how they are packed do not count.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Literal, Self, get_args

from binocular.errors import IntegrityError, NotFoundError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
FORMAT = 1
FACTS = "snapshot.json"
ROWS = "rows.jsonl.gz"
REJECTED = "rejected.jsonl.gz"
CARD = "README.md"
PACKS = "packs"
PACK_BYTES = 64 << 20
DIGEST_CHARACTERS = 32
# The manifest names this many of the places where the same image was found.
MOST_SOURCES = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image's bytes lie."""

    pack: str  # the SHA-256 of the pack
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Row:
    """One image under one label on one side."""

    sha256: str
    label: str
    split: Split
    published: Split | None  # the side the source itself published it on
    corrected: bool  # the label is a person's correction
    sources: tuple[str, ...]  # where it was found, up to five
    found: int  # how often it was found: above one, files are duplicates
    format: str
    width: int
    height: int
    phash: str  # perceptual hash, 64 bits in hex
    group: str  # near-duplicates have the same group
    place: Place


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that is not an image we read."""

    source: str
    label: str
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """All rows, sorted, and what was rejected."""

    digest: str
    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted({row.label for row in self.rows}))

    @property
    def packs(self) -> tuple[str, ...]:
        """The packs that hold its images, sorted."""
        return tuple(sorted({row.place.pack for row in self.rows}))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many images each split has of each class."""
        found = Counter((row.split, row.label) for row in self.rows)
        return {split: {label: found[split, label] for label in self.classes} for split in SPLITS}


def freeze(rows: Iterable[Row], rejected: Iterable[Rejected]) -> Snapshot:
    """The snapshot of these rows."""
    ordered = tuple(sorted(rows, key=lambda row: (row.sha256, row.label, row.split, row.published or "")))
    digest = hashlib.sha256()
    for row in ordered:
        digest.update(f"{row.sha256}\0{row.label}\0{row.split}\n".encode())
    by_source = sorted(rejected, key=lambda each: (each.source, each.label))
    return Snapshot(digest.hexdigest()[:DIGEST_CHARACTERS], ordered, tuple(by_source))


def write(snapshot: Snapshot, folder: Path) -> None:
    """Write everything but the packs, which `PackWriter` has put there; the facts last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(folder / ROWS, (asdict(row) for row in snapshot.rows))
    write_lines(folder / REJECTED, (asdict(each) for each in snapshot.rejected))
    facts = {
        "format": FORMAT,
        "digest": snapshot.digest,
        "images": len(snapshot.rows),
        "rejected": len(snapshot.rejected),
        "counts": snapshot.counts(),
        "packs": snapshot.packs,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


def read(folder: Path) -> Snapshot:
    """The snapshot in a folder; IntegrityError if its rows are not those its digest was made from."""
    digest = _digest(folder)
    rows = (_row(line) for line in read_lines(folder / ROWS))
    try:
        snapshot = freeze(rows, (_rejected(line) for line in read_lines(folder / REJECTED)))
    except (LookupError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{folder} is damaged: a row of {ROWS} or {REJECTED} is none ({error})") from None
    if snapshot.digest != digest:
        raise IntegrityError(f"{folder / ROWS} is damaged: its digest is not {digest}")
    return snapshot


def _digest(folder: Path) -> str:
    """The digest that the facts of a folder name."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise IntegrityError(
                f"{folder} has format {facts['format']}, this release reads format {FORMAT}: ingest again"
            )
        return str(facts["digest"])
    except FileNotFoundError:
        raise NotFoundError(f"{folder} holds no snapshot: {FACTS} is missing") from None
    except (ValueError, LookupError, TypeError) as error:
        raise IntegrityError(f"{folder / FACTS} is damaged: {error}") from None


def images(folder: Path, rows: Iterable[Row]) -> Iterator[tuple[Row, bytes]]:
    """Each row with its image's bytes, in the order in which they lie in the packs, verified."""
    pack: IO[bytes] | None = None
    name = ""
    try:
        for row in sorted(rows, key=lambda row: (row.place.pack, row.place.offset)):
            if row.place.pack != name:
                if pack is not None:
                    pack.close()
                pack, name = pack_path(folder, row.place.pack).open("rb"), row.place.pack
            assert pack is not None  # noqa: S101 - opened just above
            pack.seek(row.place.offset)
            data = pack.read(row.place.size)
            if hashlib.sha256(data).hexdigest() != row.sha256:
                raise IntegrityError(f"pack {name}: the image of {row.sources[0]} is damaged")
            yield row, data
    finally:
        if pack is not None:
            pack.close()


def pack_path(folder: Path, pack: str) -> Path:
    """The file of a pack in a snapshot's folder."""
    return folder / PACKS / f"{pack}.tar"


class PackWriter:
    """Packs images as they come; each pack appears under its SHA-256 when it is full, or at the end."""

    def __init__(self, folder: Path, most_bytes: int = PACK_BYTES) -> None:
        self._folder = folder / PACKS
        self._most_bytes = most_bytes
        self._draft = self._folder / ".draft.tar"
        self._tar: tarfile.TarFile | None = None
        self._waiting: list[tuple[str, int, int]] = []
        self.places: dict[str, Place] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        elif self._tar is not None:
            self._tar.close()
        self._draft.unlink(missing_ok=True)

    def add(self, sha256: str, name: str, data: bytes) -> None:
        """Put an image in; `places[sha256]` tells where it lies once its pack is finished."""
        if self._tar is not None and self._tar.offset + len(data) + 2 * tarfile.BLOCKSIZE > self._most_bytes:
            self._finish()
        if self._tar is None:
            self._tar = tarfile.open(self._draft, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 - closed by _finish
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        self._waiting.append((sha256, self._tar.offset - padded, len(data)))

    def _finish(self) -> None:
        if self._tar is None:
            return
        self._tar.close()
        self._tar = None
        with self._draft.open("rb") as file:
            pack = hashlib.file_digest(file, "sha256").hexdigest()
        self._draft.replace(self._folder / f"{pack}.tar")
        self.places.update({sha256: Place(pack, offset, size) for sha256, offset, size in self._waiting})
        self._waiting.clear()


def _row(line: dict[str, object]) -> Row:
    place = Place(**line.pop("place"))  # type: ignore[arg-type]
    sources: Sequence[str] = line.pop("sources")  # type: ignore[assignment]
    return Row(**line, sources=tuple(sources), place=place)  # type: ignore[arg-type]


def _rejected(line: dict[str, object]) -> Rejected:
    return Rejected(str(line["source"]), str(line["label"]), str(line["reason"]))


def write_lines(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """Write a file of JSON lines; the same lines are the same bytes."""
    # No name and no time in the header: the same rows are the same bytes.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for line in lines:
            file.write(json.dumps(line).encode() + b"\n")  # ASCII: a file's name need not be valid Unicode


def read_lines(path: Path) -> Iterator[dict[str, object]]:
    """The lines of such a file; IntegrityError where it is damaged."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, EOFError, ValueError) as error:
        raise IntegrityError(f"{path} is damaged: {error}") from None
