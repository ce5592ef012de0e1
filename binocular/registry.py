"""The registry: the versions of a model in the object store, and the names that point at them.

    version = publish_version(store, "waste", folder)      # 1, 2, 3 …: never one number twice
    promote(store, "waste", version, by="export", why="more right than version 2", over=2)
    production(store, "waste").version                     # what is served

A version lies under `models/<name>/<version>/` and never changes. Production is one small document beside the
versions; it moves by conditional writes, so that of two who move it at once the second learns of the first. What
was decided about each candidate, also about those that were turned away, is kept by the run that made it.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from binocular import bundle
from binocular.bundle import Bundle
from binocular.documents import Document
from binocular.errors import ConflictError, IntegrityError, InvalidKeyError, NotFoundError
from binocular.publication import MANIFEST, fetch, publish, read_manifest
from binocular.store import Store
from binocular.verdict import Verdict

MODELS = "models"
DECISIONS = "decisions"
PRODUCTION = "production.json"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Nobody looks further back, and the document is read often.
MOST_MOVES = 200
ATTEMPTS = 20
# A retried export finds what it published before among the newest versions.
LOOKED_BACK = 10


class Move(BaseModel):
    """That production moved to a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: int
    at: str  # ISO 8601, UTC
    by: str
    why: str


class Production(Document):
    """Which version is served, and how that came."""

    version: int
    moves: tuple[Move, ...]  # the newest first


class Decision(Document):
    """What became of the candidate of a run."""

    run: str
    at: str
    verdict: Verdict
    version: int | None  # where it was let in
    artifacts: dict[str, str]  # name → URI: the pages and files that the verdict rests on


def check_name(name: str) -> str:
    """A model's name is part of keys, of addresses and of Kubernetes objects."""
    if not NAME.fullmatch(name):
        raise InvalidKeyError(
            f"{name[:100]!r} cannot name a model: use 1 to 63 of a-z, 0-9 and '-', with no '-' at either end"
        )
    return name


def versions(store: Store, name: str) -> list[int]:
    """The published versions, the oldest first."""
    pattern = re.compile(rf"{MODELS}/{re.escape(check_name(name))}/([1-9][0-9]*)/{re.escape(MANIFEST)}")
    found = (pattern.fullmatch(entry.key) for entry in store.entries(f"{MODELS}/{name}/"))
    return sorted(int(match[1]) for match in found if match)


def publish_version(store: Store, name: str, folder: Path) -> int:
    """Publish a bundle as the next version. What its run published before is found and not published twice."""
    run = Bundle.read(folder).run
    published = versions(store, name)
    for version in published[: -LOOKED_BACK - 1 : -1]:
        if facts(store, name, version).run == run:
            return version
    version = published[-1] + 1 if published else 1
    for _ in range(ATTEMPTS):
        try:
            publish(store, folder, prefix(name, version))
            return version
        except ConflictError:  # somebody else has this number now
            version += 1
    raise ConflictError(f"many are publishing versions of {name} at once; try again")


def facts(store: Store, name: str, version: int) -> Bundle:
    """The facts about a version."""
    key = file_key(store, name, version, bundle.FACTS)
    return Bundle.parse(store.read(key).data, key)


def file_key(store: Store, name: str, version: int, path: str) -> str:
    """The key of one file of a version; NotFoundError if there is no such version."""
    manifest = read_manifest(store, prefix(name, version))
    if manifest is None:
        raise NotFoundError(f"there is no version {version} of {name}")
    return f"{prefix(name, version)}/{manifest.digest}/{path}"


def fetch_version(store: Store, name: str, version: int, folder: Path) -> Bundle:
    """Bring a version to a folder that appears only whole and verified."""
    fetch(store, prefix(name, version), folder)
    return Bundle.read(folder)


def production(store: Store, name: str) -> Production | None:
    """What is served, or None before the first version was let in."""
    return _read(store, name)[0]


def promote(store: Store, name: str, version: int, *, by: str, why: str, over: int | None) -> Production:
    """Let production point at a version, forward or back.

    `over` is the version that production points at as far as the caller knows (None: at nothing). ConflictError if
    it moved since: what the caller decided was decided about another champion.
    """
    present, etag = _read(store, name)
    current = present.version if present else None
    if present and current == version:
        return present
    if current != over:
        raise ConflictError(
            f"production of {name} is version {current}, not {over} as it was when this was decided: decide again"
        )
    file_key(store, name, version, bundle.FACTS)  # it must be there
    move = Move(version=version, at=_now(), by=by, why=why)
    moved = Production(version=version, moves=(move, *(present.moves if present else ()))[:MOST_MOVES])
    data = moved.text().encode()
    key = _production_key(name)
    if not (store.replace(key, data, etag) if present else store.create(key, data)):
        raise ConflictError(f"production of {name} was moved by somebody else at the same moment: decide again")
    return moved


def record(
    store: Store, name: str, run: str, verdict: Verdict, version: int | None, artifacts: dict[str, str]
) -> Decision:
    """Keep what was decided about the candidate of a run."""
    decision = Decision(run=run, at=_now(), verdict=verdict, version=version, artifacts=artifacts)
    store.put(_decision_key(name, run), decision.text().encode(), "application/json")
    return decision


def decision(store: Store, name: str, run: str) -> Decision | None:
    """What was decided about the candidate of a run, or None while nothing was."""
    key = _decision_key(name, run)
    try:
        return Decision.parse(store.read(key).data, key)
    except NotFoundError:
        return None


def decisions(store: Store, name: str) -> Iterator[Decision]:
    """Every decision about candidates of a model; one that is damaged is passed over."""
    for entry in store.entries(f"{DECISIONS}/{check_name(name)}/"):
        try:
            yield Decision.parse(store.read(entry.key).data, entry.key)
        except IntegrityError:
            continue


def prefix(name: str, version: int) -> str:
    """Where a version lies."""
    return f"{MODELS}/{check_name(name)}/{version}"


def _read(store: Store, name: str) -> tuple[Production | None, str]:
    key = _production_key(name)
    try:
        document = store.read(key)
    except NotFoundError:
        return None, ""
    return Production.parse(document.data, key), document.etag


def _production_key(name: str) -> str:
    return f"{MODELS}/{check_name(name)}/{PRODUCTION}"


def _decision_key(name: str, run: str) -> str:
    return f"{DECISIONS}/{check_name(name)}/{run}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
