"""What people have sent, and which of it the model in production has not learnt from.

An image waits if it came after the training that made the model in production looked at what there was. What only
a candidate learnt that was turned away still waits.

    here.waiting.of(here.versions.current())["glass", "uploads"]     # how many of a class, and how they came
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from binocular.bundle import Bundle
from binocular.contributions import KINDS, Contribution, Kind, label_of, parse_contribution
from binocular.errors import InvalidKeyError, NotFoundError
from binocular.publication import MANIFEST
from binocular.store import Store

LONG_AGO = datetime.min.replace(tzinfo=UTC)
# Counting takes no more than this share of the time, however often somebody asks; what takes little is done anew.
SHARE, HARDLY_S = 0.05, 0.1


@dataclass(frozen=True)
class Sent:
    """An image that somebody sent."""

    what: Contribution
    key: str
    size: int
    at: datetime
    waits: bool


# How many, by class and kind.
Images = Counter[tuple[str, Kind]]


def by_kind(images: Images) -> dict[Kind, int]:
    """How many of each kind, whatever the class."""
    return {kind: sum(count for (_, each), count in images.items() if each == kind) for kind in KINDS}


class Counts:
    """How many images wait, by class and kind. Of many, people who watch see a count that is some seconds old."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[int, float, Images] | None = None  # of which version, until when, how many
        self._changes = 0

    def of(self, production: tuple[int, Bundle] | None) -> Images:
        """Of what the version in production has not learnt from."""
        version, bundle = production or (0, None)
        began, known, changes = time.monotonic(), self._known, self._changes
        if known and known[0] == version and began < known[1]:
            return known[2]
        found = Counter((it.what.label, it.what.kind) for it in sent(self._store, bundle) if it.waits)
        took = time.monotonic() - began
        if took > HARDLY_S and changes == self._changes:
            self._known = (version, began + took / SHARE, found)
        return found

    def changed(self) -> None:
        """Something was sent to this process, or taken back."""
        self._changes += 1
        self._known = None


def sent(store: Store, production: Bundle | None) -> Iterator[Sent]:
    """Everything that people sent, by its key."""
    learnt = _learnt_until(store, production)
    for kind in KINDS:
        for entry in store.entries(f"{kind}/"):
            try:
                what = parse_contribution(entry.key)
            except InvalidKeyError:  # of somebody who put it there by hand
                continue
            at = entry.modified or LONG_AGO
            yield Sent(what, entry.key, entry.size, at, waits=at > learnt)


def classes(store: Store) -> Iterator[tuple[Kind, str]]:
    """The kinds and classes that something was sent of: so many questions, however many images there are.

    Of a class among them everything may have been taken back a moment ago.
    """
    for kind in KINDS:
        for folder in store.folders(f"{kind}/"):
            with suppress(InvalidKeyError):  # of somebody who put it there by hand
                yield kind, label_of(kind, folder)


def _learnt_until(store: Store, production: Bundle | None) -> datetime:
    """The moment up to which the model in production knows what was sent."""
    if production is None:
        return LONG_AGO
    if production.looked:
        return datetime.fromisoformat(production.looked)
    # Of a version that an older release made: when its photos were frozen is a little later.
    if production.snapshot is not None:
        try:
            frozen = store.stat(f"{production.snapshot.prefix}/{MANIFEST}").modified
        except NotFoundError:  # deleted; the model was made soon after
            frozen = None
        if frozen is not None:
            return frozen
    return datetime.fromisoformat(production.created)
