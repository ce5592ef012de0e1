"""What is in the store already, as a source: the last snapshot, and what people uploaded or corrected."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from binocular.contributions import KINDS, parse_contribution
from binocular.errors import IntegrityError
from binocular.inspection import DEFAULT_LIMITS, Limits
from binocular.snapshot import Row, Snapshot, images
from binocular.store import Store
from components.ingest.examining import Facts, Seen
from components.ingest.found import Found
from components.ingest.trees import SCHEME


def contributions(store: Store, limits: Limits = DEFAULT_LIMITS) -> Iterator[Found]:
    """Every contributed image, uploads before corrections, each in the order of keys.

    InvalidKeyError names an object that is none of ours, rather than let it be missed in silence.
    """
    for kind in KINDS:
        for entry in store.entries(f"{kind}/"):
            told = parse_contribution(entry.key)
            read = partial(_read, store, entry.key, told.sha256, limits.member_bytes)
            source = f"{SCHEME}{store.endpoint.bucket}/{entry.key}"
            yield Found(source, told.label, None, read, corrected=told.kind == "feedback")


class Look:
    """A look at what people contributed, with the moment at which it began: what came later it may have missed.

    There is no moment before the first image is asked for, since much else may be read first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.began = ""  # ISO 8601, UTC

    def contributions(self) -> Iterator[Found]:
        """The images."""
        self.began = datetime.now(UTC).isoformat()
        yield from contributions(self._store)


def known(frozen: Snapshot, folder: Path, store: Store) -> Iterator[Found]:
    """What a snapshot holds but for the contributions in it, which are found where they are kept."""
    for row, data in images(folder, frozen.rows):
        for source in _sources(row, store):
            yield Found(source, row.label, row.published, lambda data=data: data, corrected=row.corrected)  # type: ignore[misc]


def seen_before(frozen: Snapshot, store: Store) -> Iterator[Seen]:
    """The same by its rows alone: whoever reads an image from its pack verifies it."""
    for row in frozen.rows:
        facts = Facts(row.format, row.width, row.height, row.phash)
        for source in _sources(row, store):
            yield Seen(source, row.label, row.published, row.corrected, row.sha256, facts)


def _sources(row: Row, store: Store) -> list[str]:
    """Where an image was found, other than as a contribution.

    A correction comes from both where its image was published on a side, which a contribution does not know.
    """
    ours = tuple(f"{SCHEME}{store.endpoint.bucket}/{kind}/" for kind in KINDS)
    places = [source for source in row.sources if not source.startswith(ours)]
    return places or (list(row.sources[:1]) if row.corrected and row.published else [])


def _read(store: Store, key: str, sha256: str, limit: int) -> bytes:
    data = store.read(key, limit).data
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityError(f"{key}: its bytes are not those whose SHA-256 it is named after; delete it")
    return data
