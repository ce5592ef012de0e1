"""Turning a stream of files into a snapshot: each image examined once, packed once, put on its side for good.

    snapshot = freeze_source(open_source("photos", …), Path("snapshot"), previous=None, options=Options())

Memory holds a row an image, never the images. A file that is no image is recorded with its reason, and
whether that is a problem is for validation to say.
"""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from binocular import snapshot
from binocular.errors import BinocularError, NotFoundError
from binocular.imaging import MOST_PIXELS, ImageFacts, decode, identify
from binocular.parallel import in_parallel
from binocular.progress import with_progress
from binocular.snapshot import MOST_SOURCES, PackWriter, Place, Rejected, Row, Snapshot, Split
from components.ingest.card import render_card
from components.ingest.found import Found
from components.ingest.neighbours import group_within_classes
from components.ingest.splits import Candidate, Shares, assign

# The side of the gray picture that a perceptual hash is made from.
PHASH_SIDE = 32

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How to look at images and how to split them."""

    shares: Shares = field(default_factory=Shares)
    near_duplicate_bits: int = 4  # hashes at most this far apart are near-duplicates
    most_pixels: int = MOST_PIXELS


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known about one image, whatever it is called."""

    format: str
    width: int
    height: int
    phash: str


@dataclass(slots=True)
class _Entry:
    """One image under one label on one published side, with where it was found so far."""

    sha256: str
    label: str
    published: Split | None
    corrected: bool
    sources: list[str]
    found: int = 0


@dataclass(frozen=True, slots=True)
class _Examined:
    found: Found
    data: bytes
    sha256: str
    facts: _Facts | None
    reason: str = ""


def freeze_source(found: Iterable[Found], folder: Path, previous: Snapshot | None, options: Options) -> Snapshot:
    """Write the snapshot of these files into a folder. What `previous` has keeps its side and its pack."""
    facts, places = _of_previous(previous)
    entries: dict[tuple[str, str, Split | None], _Entry] = {}
    rejected: list[Rejected] = []
    with PackWriter(folder) as packs:
        for seen in _examine(found, facts, options):
            if seen.facts is None:
                rejected.append(Rejected(seen.found.source, seen.found.label, seen.reason))
                continue
            if seen.sha256 not in places and seen.sha256 not in facts:
                packs.add(seen.sha256, f"{seen.sha256}.{seen.facts.format.lower()}", seen.data)
            facts[seen.sha256] = seen.facts
            _note(entries, seen.sha256, seen.found)
    if not entries:
        why = f", such as {rejected[0].source}: {rejected[0].reason}" if rejected else ""
        raise NotFoundError(
            f"the source holds no images that can be read; {len(rejected)} files were rejected{why}"
        )
    rows = _rows(_corrected(entries.values()), facts, {**packs.places, **places}, previous, options)
    frozen = snapshot.freeze(rows, rejected)
    (folder / snapshot.CARD).write_text(render_card(frozen), encoding="utf-8")
    snapshot.write(frozen, folder)
    return frozen


def _of_previous(previous: Snapshot | None) -> tuple[dict[str, _Facts], dict[str, Place]]:
    """What need not be found out again, and what is packed already."""
    rows = previous.rows if previous else ()
    facts = {row.sha256: _Facts(row.format, row.width, row.height, row.phash) for row in rows}
    return facts, {row.sha256: row.place for row in rows}


def _examine(found: Iterable[Found], known: dict[str, _Facts], options: Options) -> Iterator[_Examined]:
    """Read and examine each file, several at once, in order, with progress in the log."""
    examined = in_parallel(os.cpu_count() or 1, _examiner(known, options), _read(found))
    return with_progress(examined, log, "ingesting")


def _read(found: Iterable[Found]) -> Iterator[tuple[Found, bytes | OSError]]:
    for each in found:
        try:
            yield each, each.read()
        except OSError as error:
            yield each, error


class _examiner:  # noqa: N801 - a function with two values bound
    """Tell what a file is; a file seen before is only digested."""

    def __init__(self, known: dict[str, _Facts], options: Options) -> None:
        self._known = known
        self._most_pixels = options.most_pixels

    def __call__(self, item: tuple[Found, bytes | OSError]) -> _Examined:
        found, data = item
        if isinstance(data, OSError):
            return _Examined(found, b"", "", None, f"cannot be read: {data.strerror or data}")
        sha256 = hashlib.sha256(data).hexdigest()
        facts = self._known.get(sha256)
        try:
            facts = facts or self._look(data)
        except BinocularError as error:
            return _Examined(found, b"", sha256, None, str(error))
        return _Examined(found, data, sha256, facts)

    def _look(self, data: bytes) -> _Facts:
        seen: ImageFacts = identify(data, self._most_pixels)
        small = decode(data, PHASH_SIDE, PHASH_SIDE, self._most_pixels)
        phash = imagehash.phash(Image.fromarray(small).convert("L"))
        return _Facts(seen.format, seen.width, seen.height, str(phash))


def _note(entries: dict[tuple[str, str, Split | None], _Entry], sha256: str, found: Found) -> None:
    """Add a file to the entry of its image, label and side."""
    key = (sha256, found.label, found.split)
    entry = entries.get(key)
    if entry is None:
        entry = entries[key] = _Entry(sha256, found.label, found.split, found.corrected, [])
    entry.found += 1
    entry.corrected = entry.corrected or found.corrected
    if len(entry.sources) < MOST_SOURCES:
        entry.sources.append(found.source)


def _corrected(entries: Iterable[_Entry]) -> list[_Entry]:
    """Where a person corrected an image's label, the labels it had before are gone; its published side stays."""
    by_image: dict[str, list[_Entry]] = {}
    for entry in entries:
        by_image.setdefault(entry.sha256, []).append(entry)
    kept: list[_Entry] = []
    for group_of_image in by_image.values():
        corrections = [entry for entry in group_of_image if entry.corrected]
        sides = [entry.published for entry in group_of_image if entry.published]
        for entry in corrections:
            entry.published = entry.published or (sides[0] if sides else None)
        kept += _merged(corrections) or group_of_image
    return kept


def _merged(corrections: list[_Entry]) -> list[_Entry]:
    """One entry a label and side: a correction may come with its image's side and once more without."""
    by_place: dict[tuple[str, Split | None], _Entry] = {}
    for entry in corrections:
        first = by_place.setdefault((entry.label, entry.published), entry)
        first.sources += [source for source in entry.sources if source not in first.sources]
        first.found = max(first.found, entry.found)
    return list(by_place.values())


def _rows(
    entries: list[_Entry],
    facts: dict[str, _Facts],
    places: dict[str, Place],
    previous: Snapshot | None,
    options: Options,
) -> Iterator[Row]:
    """A row an entry, with its group of near-duplicates and its side."""
    entries.sort(key=lambda entry: (entry.sha256, entry.label, entry.published or ""))
    hashes = np.array([int(facts[entry.sha256].phash, 16) for entry in entries], dtype=np.uint64)
    groups = group_within_classes(hashes, [entry.label for entry in entries], options.near_duplicate_bits)
    candidates = [
        Candidate(entry.sha256, entry.label, phash, int(name), entry.published)
        for entry, phash, name in zip(entries, hashes, groups, strict=True)
    ]
    sides_before = {(row.sha256, row.published): row.split for row in previous.rows} if previous else {}
    for entry, name, side in zip(entries, groups, assign(candidates, sides_before, options.shares), strict=True):
        fact = facts[entry.sha256]
        yield Row(
            sha256=entry.sha256,
            label=entry.label,
            split=side,
            published=entry.published,
            corrected=entry.corrected,
            sources=tuple(entry.sources),
            found=entry.found,
            format=fact.format,
            width=fact.width,
            height=fact.height,
            phash=fact.phash,
            group=entries[int(name)].sha256,
            place=places[entry.sha256],
        )
