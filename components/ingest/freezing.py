"""Turning a stream of files into a snapshot: each image examined once, packed once, put on its side for good.

    snapshot = freeze_source(open_source("photos", …), Path("snapshot"), previous=None, options=Options())

Memory holds a row an image, never the images. A file that is no image is recorded with its reason, and
whether that is a problem is for validation to say.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from binocular import snapshot
from binocular.errors import NotFoundError
from binocular.snapshot import MOST_SOURCES, PackWriter, Place, Rejected, Row, Snapshot, Split
from components.ingest.card import render_card
from components.ingest.examining import Facts, Known, Options, Seen, packed
from components.ingest.found import Found
from components.ingest.neighbours import group_within_classes
from components.ingest.splits import Candidate, assign

__all__ = ["Options", "freeze_seen", "freeze_source"]


@dataclass(slots=True)
class _Entry:
    """One image under one label on one published side, with where it was found so far."""

    sha256: str
    label: str
    published: Split | None
    corrected: bool
    sources: list[str]
    found: int = 0


@dataclass
class _Gathered:
    """What all files come to."""

    entries: dict[tuple[str, str, Split | None], _Entry] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)

    def take(self, seen: Seen) -> None:
        """Add a file to the entry of its image, label and side, or to what was rejected."""
        if seen.facts is None:
            self.rejected.append(Rejected(seen.source, seen.label, seen.reason))
            return
        self.facts[seen.sha256] = seen.facts
        key = (seen.sha256, seen.label, seen.published)
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = _Entry(*key, seen.corrected, [])
        entry.found += 1
        entry.corrected = entry.corrected or seen.corrected
        if len(entry.sources) < MOST_SOURCES:
            entry.sources.append(seen.source)


def freeze_source(found: Iterable[Found], folder: Path, previous: Snapshot | None, options: Options) -> Snapshot:
    """Write the snapshot of these files into a folder. What `previous` has keeps its side and its pack."""
    places: dict[str, Place] = {}

    def seen() -> Iterator[Seen]:
        with PackWriter(folder) as packs:
            yield from packed(found, packs, Known.of(previous), options)
        places.update(packs.places)

    return freeze_seen(seen(), places, folder, previous, options)


def freeze_seen(
    seen: Iterable[Seen],
    places: Mapping[str, Place],
    folder: Path,
    previous: Snapshot | None,
    options: Options,
) -> Snapshot:
    """The same of files that were examined and packed already; `places` is read when all of `seen` has come."""
    gathered = _Gathered()
    for each in seen:
        gathered.take(each)
    if not gathered.entries:
        rejected = gathered.rejected
        why = f", such as {rejected[0].source}: {rejected[0].reason}" if rejected else ""
        raise NotFoundError(
            f"the source holds no images that can be read; {len(rejected)} files were rejected{why}"
        )
    known = {row.sha256: row.place for row in previous.rows} if previous else {}
    entries = _corrected(gathered.entries.values())
    frozen = snapshot.freeze(
        _rows(entries, gathered.facts, {**places, **known}, previous, options), gathered.rejected
    )
    folder.mkdir(parents=True, exist_ok=True)  # with nothing new to pack there may be none
    (folder / snapshot.CARD).write_text(render_card(frozen), encoding="utf-8")
    snapshot.write(frozen, folder)
    return frozen


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
    facts: dict[str, Facts],
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
