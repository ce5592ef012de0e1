"""Which versions stay in the store, and deleting the others.

    prune(store, "waste", keep=10)       # the versions it deleted

The newest `keep` stay, and whatever they are the version in production and the one that a roll back leads to. A
version is first ruled out for production, in the document that a promotion writes as well; only then it is
deleted, manifest first. So production never points at a version that is gone, and a deletion that was cut off is
finished by the next one. A number is never used again.
"""

import re
from collections.abc import Iterable

from binocular.publication import MANIFEST
from binocular.registry import MODELS, Production, check_name, prefix, retire, versions
from binocular.store import Store


def superfluous(published: Iterable[int], production: Production, keep: int) -> set[int]:
    """The versions that need not stay."""
    newest = sorted(published)[-keep:]
    return set(published) - {*newest, production.version, production.previous}


def prune(store: Store, name: str, keep: int) -> list[int]:
    """Delete what need not stay; the versions that were deleted. Nothing, while nothing is in production."""
    published = versions(store, name)
    retired = retire(store, name, lambda production: superfluous(published, production, keep))
    for version in sorted(_left(store, name) & retired):
        store.delete(f"{prefix(name, version)}/{MANIFEST}")
        store.delete_prefix(f"{prefix(name, version)}/")
    return sorted(set(published) & retired)


def _left(store: Store, name: str) -> set[int]:
    """Every version of which there is anything, also one whose deletion was cut off."""
    pattern = re.compile(rf"{MODELS}/{re.escape(check_name(name))}/([1-9][0-9]*)/.+")
    found = (pattern.fullmatch(entry.key) for entry in store.entries(f"{MODELS}/{name}/"))
    return {int(match[1]) for match in found if match}
