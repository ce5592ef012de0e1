"""Snapshots in the object store."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from binocular import datasets
from binocular.datasets import dataset_card, fetch_snapshot, latest, publish_snapshot
from binocular.errors import IntegrityError, NotFoundError
from binocular.snapshot import CARD, images, pack_path
from binocular.store import Store
from tests.unit.test_snapshot import contents, make


def test_a_published_snapshot_comes_back_whole(store: Store, tmp_path: Path) -> None:
    assert latest(store, "waste") is None
    frozen = make(tmp_path / "here")

    reference = publish_snapshot(store, tmp_path / "here", "waste")

    assert latest(store, "waste") == reference
    assert fetch_snapshot(store, reference, tmp_path / "there") == frozen
    assert {row.sha256: data for row, data in images(tmp_path / "there", frozen.rows)} == contents(20)
    assert fetch_snapshot(store, reference, tmp_path / "rows", packs=False) == frozen
    assert list((tmp_path / "rows" / "packs").iterdir()) == []


def test_a_snapshots_card_is_published_with_it_and_one_without_says_so(store: Store, tmp_path: Path) -> None:
    make(tmp_path / "old")
    with pytest.raises(NotFoundError, match="has no card"):
        dataset_card(store, publish_snapshot(store, tmp_path / "old", "waste"))
    make(tmp_path / "here")
    (tmp_path / "here" / CARD).write_text("# Labelled photos\n")

    assert dataset_card(store, publish_snapshot(store, tmp_path / "here", "waste")) == "# Labelled photos\n"


def test_packs_of_an_earlier_snapshot_are_used_and_not_sent_again(store: Store, tmp_path: Path) -> None:
    frozen = make(tmp_path / "here")
    publish_snapshot(store, tmp_path / "here", "waste")
    before = store.stat(f"packs/{frozen.packs[0]}.tar")
    pack_path(tmp_path / "here", frozen.packs[0]).unlink()

    publish_snapshot(store, tmp_path / "here", "other")

    assert store.stat(before.key) == before


def test_a_snapshot_whose_packs_are_nowhere_is_not_published(store: Store, tmp_path: Path) -> None:
    frozen = make(tmp_path / "here")
    pack_path(tmp_path / "here", frozen.packs[0]).unlink()

    with pytest.raises(NotFoundError, match=frozen.packs[0]):
        publish_snapshot(store, tmp_path / "here", "waste")
    assert latest(store, "waste") is None


def test_of_several_publishers_at_once_the_pointer_names_one_that_is_whole(store: Store, tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(4)]
    for number, folder in enumerate(folders, 5):
        make(folder, number)

    with ThreadPoolExecutor(4) as pool:
        references = list(pool.map(lambda folder: publish_snapshot(store, folder, "waste"), folders))

    last = latest(store, "waste")
    assert last in references
    assert fetch_snapshot(store, last, tmp_path / "there").digest == last.digest


def test_a_folder_with_another_snapshot_is_not_taken_for_this_one(store: Store, tmp_path: Path) -> None:
    make(tmp_path / "here")
    reference = publish_snapshot(store, tmp_path / "here", "waste")
    make(tmp_path / "other", 3)

    with pytest.raises(IntegrityError, match="name another folder"):
        fetch_snapshot(store, reference, tmp_path / "other")


def test_a_damaged_pointer_is_named(store: Store) -> None:
    store.put(f"{datasets.DATASETS}/waste/{datasets.LATEST}", b"{}")

    with pytest.raises(IntegrityError, match=r"datasets/waste/latest\.json is damaged"):
        latest(store, "waste")


def test_a_champion_whose_data_is_gone_stops_no_validation(store: Store, tmp_path: Path) -> None:
    from components.validate.component import _champions_data  # noqa: PLC0415 - Kubeflow's decorators take a while

    assert _champions_data(store, "waste", 7, tmp_path) is None
