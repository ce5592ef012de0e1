"""Looking at files one after another, several at once: what each is, and packing the images that are new.

    with PackWriter(folder) as packs:
        for seen in packed(found, packs, Known.of(previous), options): ...

A file that was seen before, in the previous snapshot or a moment ago, is only digested. Memory holds a few images.
"""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import imagehash
from PIL import Image

from binocular.errors import BinocularError, SettingError
from binocular.imaging import MOST_PIXELS, decode, identify
from binocular.parallel import in_parallel
from binocular.progress import with_progress
from binocular.snapshot import PackWriter, Place, Snapshot, Split
from components.ingest.found import Found
from components.ingest.neighbours import BITS
from components.ingest.splits import Shares

# The side of the gray picture that a perceptual hash is made from.
PHASH_SIDE = 32

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How to look at images and how to split them."""

    shares: Shares = field(default_factory=Shares)
    near_duplicate_bits: int = 4  # hashes at most this far apart are near-duplicates
    most_pixels: int = MOST_PIXELS

    def __post_init__(self) -> None:
        if not 0 <= self.near_duplicate_bits <= BITS:
            raise SettingError(
                f"near_duplicate_bits is {self.near_duplicate_bits}; it must be between 0 and {BITS}"
            )


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about one image, whatever it is called."""

    format: str
    width: int
    height: int
    phash: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One file that was looked at."""

    source: str
    label: str
    published: Split | None
    corrected: bool
    sha256: str
    facts: Facts | None  # None where it is no image
    reason: str = ""  # why not


@dataclass(frozen=True)
class Known:
    """Images that need not be looked at nor packed again."""

    facts: dict[str, Facts]
    places: dict[str, Place]

    @classmethod
    def of(cls, previous: Snapshot | None) -> Self:
        """Those of the previous snapshot."""
        rows = previous.rows if previous else ()
        facts = {row.sha256: Facts(row.format, row.width, row.height, row.phash) for row in rows}
        return cls(facts, {row.sha256: row.place for row in rows})


def packed(found: Iterable[Found], packs: PackWriter, known: Known, options: Options) -> Iterator[Seen]:
    """Examine each file, in order, with progress in the log; images that are not known yet are packed."""
    examine = partial(_examined, known.facts, options.most_pixels)
    examined = in_parallel(os.cpu_count() or 1, examine, ((each, each.read()) for each in found))
    for seen, data in with_progress(examined, log, "ingesting"):
        if seen.facts is not None:
            if seen.sha256 not in known.facts:
                packs.add(seen.sha256, f"{seen.sha256}.{seen.facts.format.lower()}", data)
            known.facts[seen.sha256] = seen.facts
        yield seen


def _examined(known: Mapping[str, Facts], most_pixels: int, item: tuple[Found, bytes]) -> tuple[Seen, bytes]:
    """What a file is, with its bytes; a file seen before is only digested."""
    found, data = item
    told = (found.source, found.label, found.split, found.corrected)
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        return Seen(*told, sha256, known.get(sha256) or _facts(data, most_pixels)), data
    except BinocularError as error:
        return Seen(*told, sha256, None, str(error)), b""


def _facts(data: bytes, most_pixels: int) -> Facts:
    seen = identify(data, most_pixels)
    small = decode(data, PHASH_SIDE, PHASH_SIDE, most_pixels)
    phash = imagehash.phash(Image.fromarray(small).convert("L"))
    return Facts(seen.format, seen.width, seen.height, str(phash))
