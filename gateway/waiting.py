"""What people have sent, and which of it the model in production has not learnt from.

An image waits if it came after the photos were frozen that the model in production was trained on. What only a
candidate learnt that was turned away still waits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from binocular.bundle import Bundle
from binocular.contributions import KINDS, Contribution, parse_contribution
from binocular.errors import InvalidKeyError, NotFoundError
from binocular.publication import MANIFEST
from binocular.store import Store

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """An image that somebody sent."""

    what: Contribution
    key: str
    size: int
    at: datetime
    waits: bool


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


def _learnt_until(store: Store, production: Bundle | None) -> datetime:
    """The moment up to which the model in production knows what was sent."""
    if production is None:
        return LONG_AGO
    if production.snapshot is not None:
        try:
            frozen = store.stat(f"{production.snapshot.prefix}/{MANIFEST}").modified
        except NotFoundError:  # deleted; the model was made soon after
            frozen = None
        if frozen is not None:
            return frozen
    return datetime.fromisoformat(production.created)
