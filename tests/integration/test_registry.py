"""Versions, production and decisions in real object stores."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from binocular import registry, retention
from binocular.bundle import FACTS, LABELS
from binocular.errors import ConflictError, IntegrityError, InvalidKeyError, NotFoundError
from binocular.publication import publish, read_manifest
from binocular.signatures import Signer, Trust, read_signature
from binocular.store import Store
from binocular.verdict import Verdict
from tests.bundles import facts

NAME = "waste"
VERDICT = Verdict(
    decision="reject",
    summary="not good enough",
    reasons=(),
    asked={},
    snapshot="5" * 32,
    images=9,
    champion=None,
    candidate_metrics={"accuracy": 0.5},
    champion_metrics={},
)


def bundle(folder: Path, run: str) -> Path:
    """A bundle as far as the registry looks into it."""
    facts(name=NAME, run=run).write(folder / FACTS)
    (folder / LABELS).write_text('["a", "b"]')
    return folder


def published(store: Store, tmp_path: Path, number: int) -> None:
    for run in range(1, number + 1):
        assert registry.publish_version(store, NAME, bundle(tmp_path / str(run), f"run {run}")) == run


def test_versions_count_up_and_come_back_as_they_were(store: Store, tmp_path: Path) -> None:
    assert registry.versions(store, NAME) == []
    published(store, tmp_path, 11)

    assert registry.versions(store, NAME) == list(range(1, 12))
    assert registry.facts(store, NAME, 10).run == "run 10"
    fetched = registry.fetch_version(store, NAME, 11, tmp_path / "fetched")
    assert fetched.run == "run 11"
    assert (tmp_path / "fetched" / LABELS).read_text() == '["a", "b"]'


def test_an_export_that_is_tried_again_finds_its_version(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, 2)
    again = bundle(tmp_path / "again", "run 1")
    (again / "other").write_text("a graph is never written twice alike")

    assert registry.publish_version(store, NAME, again) == 1
    assert registry.versions(store, NAME) == [1, 2]


def test_a_version_that_is_damaged_keeps_no_other_from_being_published(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, 1)
    store.put(registry.file_key(store, NAME, 1, FACTS), b"{")

    assert registry.publish_version(store, NAME, bundle(tmp_path / "next", "next")) == 2


def test_publishers_at_once_get_versions_of_their_own(store: Store, tmp_path: Path) -> None:
    folders = [bundle(tmp_path / str(number), f"run {number}") for number in range(6)]

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda folder: registry.publish_version(store, NAME, folder), folders))

    assert len(set(found)) == 6
    assert registry.versions(store, NAME) == sorted(found)
    assert {registry.facts(store, NAME, each).run for each in found} == {f"run {number}" for number in range(6)}


def test_production_moves_forward_and_back_and_remembers(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, 2)
    assert registry.production(store, NAME) is None

    registry.promote(store, NAME, 1, by="run 1", why="the first", over=None)
    registry.promote(store, NAME, 2, by="run 2", why="better", over=1)
    registry.promote(store, NAME, 1, by="Ada", why="2 takes glass for paper", over=2)

    present = registry.production(store, NAME)
    assert present is not None
    assert present.version == 1
    assert [(move.version, move.by) for move in present.moves] == [(1, "Ada"), (2, "run 2"), (1, "run 1")]


def test_promoting_what_is_in_production_changes_nothing(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, 1)
    first = registry.promote(store, NAME, 1, by="run 1", why="the first", over=None)
    assert registry.promote(store, NAME, 1, by="run 1", why="again", over=None) == first


def test_a_decision_about_another_champion_does_not_count(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, 3)
    registry.promote(store, NAME, 1, by="run 1", why="the first", over=None)
    registry.promote(store, NAME, 2, by="run 2", why="better than 1", over=1)

    with pytest.raises(ConflictError, match="version 2, not 1 as it was"):
        registry.promote(store, NAME, 3, by="run 3", why="better than 1", over=1)
    with pytest.raises(ConflictError, match="version 2, not None"):
        registry.promote(store, NAME, 3, by="run 3", why="there was none", over=None)


def test_of_two_who_promote_at_once_one_is_told(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, 5)
    registry.promote(store, NAME, 1, by="run 1", why="the first", over=None)

    def attempt(version: int) -> bool:
        try:
            registry.promote(store, NAME, version, by="somebody", why="better", over=1)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(attempt, (2, 3, 4, 5)))

    assert won.count(True) == 1
    present = registry.production(store, NAME)
    assert present is not None
    assert present.version == 2 + won.index(True)
    assert len(present.moves) == 2


def test_what_is_not_there_cannot_go_into_production(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, 1)
    with pytest.raises(NotFoundError, match="no version 7"):
        registry.promote(store, NAME, 7, by="Ada", why="lucky", over=None)
    assert registry.production(store, NAME) is None


@pytest.mark.parametrize("name", ["", "Waste", "a/b", "..", "-a", "a" * 64, "a b"])
def test_a_name_that_cannot_be_an_address_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidKeyError, match="cannot name a model"):
        registry.versions(store, name)


def test_decisions_are_kept_by_run_and_a_damaged_one_hides_no_other(store: Store) -> None:
    kept = registry.record(store, NAME, "run-2", VERDICT, None, {"report": "minio://bucket/report"})
    registry.record(store, NAME, "run-3", VERDICT.model_copy(update={"decision": "promote"}), 1, {})
    store.put(f"decisions/{NAME}/run-1.json", b"{")

    assert registry.decision(store, NAME, "run-2") == kept
    assert registry.decision(store, NAME, "run-9") is None
    assert [each.run for each in registry.decisions(store, NAME)] == ["run-2", "run-3"]
    with pytest.raises(IntegrityError, match=r"run-1.json is damaged"):
        registry.decision(store, NAME, "run-1")


def test_a_roll_back_returns_to_the_version_before_and_a_second_undoes_it(store: Store, tmp_path: Path) -> None:
    published(store, tmp_path, 2)
    with pytest.raises(NotFoundError, match="no version of waste is in production: promote one"):
        registry.roll_back(store, NAME, by="Ada", why="a test")
    registry.promote(store, NAME, 1, by="run 1", why="the first", over=None)
    with pytest.raises(NotFoundError, match="in production before 1"):
        registry.roll_back(store, NAME, by="Ada", why="a test")
    registry.promote(store, NAME, 2, by="run 2", why="better", over=1)

    assert registry.roll_back(store, NAME, by="Ada", why="worse").version == 1
    moved = registry.roll_back(store, NAME, by="Ada", why="it was not")
    assert [(move.version, move.why) for move in moved.moves[:2]] == [(2, "it was not"), (1, "worse")]
    with pytest.raises(ConflictError, match="decide again"):
        registry.roll_back(store, NAME, by="Eve", why="decided earlier", over=1)


def test_old_versions_are_deleted_but_for_the_newest_production_and_the_one_before(
    store: Store, tmp_path: Path
) -> None:
    published(store, tmp_path, 7)
    assert retention.prune(store, NAME, 1) == []
    for version, over in ((3, None), (1, 3), (2, 1)):
        registry.promote(store, NAME, version, by="Ada", why="a test", over=over)

    assert retention.prune(store, NAME, 2) == [3, 4, 5]

    assert registry.versions(store, NAME) == [1, 2, 6, 7]
    left = {entry.key.split("/")[2] for entry in store.entries(f"models/{NAME}/")}
    assert left == {"1", "2", "6", "7", "production.json"}
    with pytest.raises(NotFoundError, match="version 4 of waste is deleted"):
        registry.promote(store, NAME, 4, by="Ada", why="gone", over=2)
    assert registry.publish_version(store, NAME, bundle(tmp_path / "new", "new")) == 8
    assert retention.prune(store, NAME, 2) == [6]


def test_a_deletion_that_was_cut_off_is_finished_by_the_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, tmp_path, 4)
    registry.promote(store, NAME, 4, by="Ada", why="a test", over=None)
    with monkeypatch.context() as cut_off:
        cut_off.setattr(Store, "delete_prefix", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            retention.prune(store, NAME, 1)
    assert registry.versions(store, NAME) == [2, 3, 4]

    retention.prune(store, NAME, 1)

    assert {entry.key.split("/")[2] for entry in store.entries(f"models/{NAME}/")} == {"4", "production.json"}


def test_of_a_promotion_and_a_deletion_at_once_production_never_points_at_what_is_gone(
    store: Store, tmp_path: Path
) -> None:
    published(store, tmp_path, 6)
    registry.promote(store, NAME, 6, by="Ada", why="a test", over=None)

    def promote(version: int) -> None:
        with contextlib.suppress(ConflictError, NotFoundError):
            registry.promote(store, NAME, version, by="Ada", why="back", over=6)

    with ThreadPoolExecutor(6) as pool:
        moves = pool.map(promote, (1, 2, 3))
        deletions = pool.map(lambda _: retention.prune(store, NAME, 1), range(3))
        assert len([*moves, *deletions]) == 6

    present = registry.production(store, NAME)
    assert present is not None
    assert registry.facts(store, NAME, present.version).run == f"run {present.version}"
    assert {present.version, present.previous} - {None} <= set(registry.versions(store, NAME))


def test_a_number_is_never_used_again_by_a_publisher_that_slept(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, tmp_path, 1)
    late = bundle(tmp_path / "late", "late")
    others = bundle(tmp_path / "others", "others"), bundle(tmp_path / "last", "last")

    def sleeps(*arguments: object) -> object:
        """While it uploads, version 2 is published by somebody else, replaced and deleted."""
        monkeypatch.setattr(registry, "publish", publish)
        for folder in others:
            registry.publish_version(store, NAME, folder)
        registry.promote(store, NAME, 3, by="Ada", why="a test", over=None)
        assert retention.prune(store, NAME, 1) == [1, 2]
        return publish(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "publish", sleeps)

    assert registry.publish_version(store, NAME, late) == 4
    assert registry.versions(store, NAME) == [3, 4]


def test_a_version_is_signed_before_it_is_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signer, trust = Signer(key), Trust(key.public_key())
    create, seen = Store.create, []

    def watched(self: Store, name: str, data: bytes, content_type: str | None = None) -> bool:
        seen.append(any("/signature-" in entry.key for entry in self.entries(f"{name.rpartition('/')[0]}/")))
        return create(self, name, data, content_type)

    monkeypatch.setattr(Store, "create", watched)
    folders = [bundle(tmp_path / str(number), f"run {number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda folder: registry.publish_version(store, NAME, folder, signer), folders))

    assert seen
    assert all(seen)
    for version in found:
        manifest = read_manifest(store, registry.prefix(NAME, version))
        assert manifest is not None
        place = registry.prefix(NAME, version)
        trust.verify(read_signature(store, place, manifest), NAME, version, manifest)
    signatures = [entry.key for entry in store.entries(f"models/{NAME}/") if "/signature-" in entry.key]
    assert len(signatures) == 3
