"""The registry: the versions of a model in the object store, and the names that point at them.

    version = publish_version(store, "waste", folder)      # 1, 2, 3 …: never one number twice
    promote(store, "waste", version, by="export", why="more right than version 2", over=2)
    production(store, "waste").version                     # what is served
    roll_back(store, "waste", by="ada", why="takes glass for paper")

A version lies under `models/<name>/<version>/` and never changes. Production is one small document beside the
versions; it moves by conditional writes, so that of two who move it at once the second learns of the first. What
was decided about each candidate, also about those that were turned away, is kept by the run that made it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from binocular import bundle
from binocular.bundle import Bundle
from binocular.documents import Document
from binocular.errors import ConflictError, IntegrityError, InvalidKeyError, NotFoundError
from binocular.publication import MANIFEST, describe, fetch, publish, read_manifest
from binocular.settings import MODEL_NAME
from binocular.signatures import Signer, signature_key
from binocular.store import Store
from binocular.verdict import Verdict

MODELS = "models"
DECISIONS = "decisions"
PRODUCTION = "production.json"
NAME = re.compile(MODEL_NAME)
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
    retired: tuple[int, ...] = ()  # deleted, or about to be: production never moves there

    @property
    def previous(self) -> int | None:
        """Where a roll back leads: the version before the last move."""
        return self.moves[1].version if len(self.moves) > 1 else None


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


def publish_version(store: Store, name: str, folder: Path, signer: Signer | None = None) -> int:
    """Publish a bundle as the next version. What its run published before is found and not published twice.

    It is signed before anybody can see it.
    """
    run = Bundle.read(folder).run
    published = versions(store, name)
    for version in published[: -LOOKED_BACK - 1 : -1]:
        with suppress(NotFoundError, IntegrityError):  # deleted meanwhile, or damaged: none that this run made
            if facts(store, name, version).run == run:
                return version
    version = max((0, *published, *_retired(store, name))) + 1
    for _ in range(ATTEMPTS):
        if _publish_as(store, name, version, folder, signer):
            return version
        version += 1
    raise ConflictError(f"many are publishing versions of {name} at once; try again")


def _publish_as(store: Store, name: str, version: int, folder: Path, signer: Signer | None) -> bool:
    """Publish a bundle under a number; False where somebody else has it, or had it."""
    place = prefix(name, version)
    manifest = describe(folder)
    if signer is not None:
        signature = signer.sign(name, version, manifest)
        store.put(signature_key(place, manifest), signature.text().encode(), "application/json")
    try:
        publish(store, folder, place)
    except ConflictError:
        if signer is not None:
            store.delete(signature_key(place, manifest))
        return False
    if version in _retired(store, name):  # while we were uploading it was somebody else's, and has been deleted
        store.delete_prefix(f"{place}/")
        return False
    return True


def facts(store: Store, name: str, version: int) -> Bundle:
    """The facts about a version."""
    key = file_key(store, name, version, bundle.FACTS)
    return Bundle.parse(store.read(key).data, key)


def card(store: Store, name: str, version: int) -> str:
    """The model card of a version, as Markdown; NotFoundError where there is none."""
    return store.read(file_key(store, name, version, bundle.CARD)).data.decode(errors="replace")


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
    if present and version in present.retired:
        raise NotFoundError(f"version {version} of {name} is deleted")
    file_key(store, name, version, bundle.FACTS)  # it must be there
    move = Move(version=version, at=_now(), by=by, why=why)
    earlier = present or Production(version=version, moves=())
    moved = earlier.model_copy(update={"version": version, "moves": (move, *earlier.moves)[:MOST_MOVES]})
    if not _write(store, name, moved, etag):
        raise ConflictError(f"production of {name} was moved by somebody else at the same moment: decide again")
    return moved


def roll_back(store: Store, name: str, *, by: str, why: str, over: int | None = None) -> Production:
    """Let production point at the version before the last move; a second roll back undoes the first.

    `over` is the version to roll back from, as far as the caller knows; None: whatever is in production.
    """
    present = production(store, name)
    if present is None:
        raise NotFoundError(f"no version of {name} is in production: promote one")
    if present.previous is None:
        raise NotFoundError(f"no version of {name} was in production before {present.version}: promote another")
    return promote(store, name, present.previous, by=by, why=why, over=over or present.version)


def retire(store: Store, name: str, choose: Callable[[Production], set[int]]) -> frozenset[int]:
    """Rule versions out for production for ever, and tell all that are ruled out.

    `choose` sees production as it is when the decision is written: one conditional write of the same document that
    a promotion writes, so that of a promotion and a retirement at once the second sees the first.
    """
    for _ in range(ATTEMPTS):
        present, etag = _read(store, name)
        if present is None:
            return frozenset()
        retired = tuple(sorted({*present.retired, *choose(present)}))
        changed = present.model_copy(update={"retired": retired})
        if retired == present.retired or _write(store, name, changed, etag):
            return frozenset(retired)
    raise ConflictError(f"many are moving production of {name} at once; try again")


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


def _write(store: Store, name: str, document: Production, etag: str) -> bool:
    """Write production where it is still the one with this ETag ("": where there is none)."""
    key, data = _production_key(name), document.text().encode()
    return bool(store.replace(key, data, etag)) if etag else store.create(key, data)


def _retired(store: Store, name: str) -> tuple[int, ...]:
    present = production(store, name)
    return present.retired if present else ()


def _production_key(name: str) -> str:
    return f"{MODELS}/{check_name(name)}/{PRODUCTION}"


def _decision_key(name: str, run: str) -> str:
    return f"{DECISIONS}/{check_name(name)}/{run}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
