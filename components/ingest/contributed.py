"""What people uploaded or corrected through the gateway, as a source."""

import hashlib
from collections.abc import Iterator
from functools import partial

from binocular.contributions import KINDS, parse_contribution
from binocular.errors import IntegrityError
from binocular.store import Store
from components.ingest.found import DEFAULT_LIMITS, Found, Limits
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


def _read(store: Store, key: str, sha256: str, limit: int) -> bytes:
    data = store.read(key, limit).data
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityError(f"{key}: its bytes are not those whose SHA-256 it is named after; delete it")
    return data
