"""Versions, production and decisions in real object stores."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from binocular import registry
from binocular.bundle import FACTS, LABELS, Bundle
from binocular.errors import ConflictError, IntegrityError, InvalidKeyError, NotFoundError
from binocular.store import Store
from binocular.verdict import Verdict

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
    facts = Bundle(
        classes=("a", "b"),
        height=96,
        width=96,
        name=NAME,
        run=run,
        created="2026-11-21T00:00:00+00:00",
        snapshot=None,
        counts={},
        architecture="small_cnn",
        weights="none",
        recipe={},
        chosen=(),
        metrics={"accuracy": 0.9},
        champion=None,
        energy=None,
    )
    facts.write(folder / FACTS)
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
