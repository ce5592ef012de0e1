"""What several workers look at, put together, is what one would have seen."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from binocular.contributions import contribution_key
from binocular.datasets import Reference, fetch_packs, fetch_snapshot, latest
from binocular.errors import NotFoundError
from binocular.sample.drawing import render, write
from binocular.sample.spec import Spec
from binocular.snapshot import Place, Snapshot, images, pack_path
from binocular.store import Store
from components.ingest.found import Found
from components.ingest.freezing import Options
from components.ingest.sharing import Share
from components.ingest.step import Source, ingest_dataset, ingest_share, join_shares
from components.validate import page
from components.validate.sharing import gathered, measure_share
from components.validate.thresholds import Thresholds
from components.validate.validation import validate

RUN = "a-run"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos with a file that is none, and with one photo seven times."""
    folder = tmp_path_factory.mktemp("photos") / "sample"
    write(folder, Spec(images=12, size=48))
    (folder / "glass" / "broken.jpg").write_bytes(b"no image")
    twice = min((folder / "metal").iterdir())
    for number in range(6):
        shutil.copy(twice, folder / "metal" / f"copy-{number}.jpg")
    return folder


def shared(source: Source, store: Store, dataset: str, scratch: Path, workers: int = 3) -> Snapshot:
    """The snapshot of a source that several workers have examined, put together."""
    for number in range(workers):
        ingest_share(source, store, dataset, Share(RUN, number, workers), scratch / str(number))
    return join_shares(source, store, dataset, scratch / "joined", Options(), RUN, workers).snapshot


def without_places(frozen: Snapshot) -> list[object]:
    return [replace(row, place=Place("", 0, 0)) for row in frozen.rows]


def newest(store: Store, dataset: str) -> Reference:
    found = latest(store, dataset)
    assert found is not None
    return found


def test_a_source_that_workers_share_comes_to_the_same_snapshot(
    photos: Path, store: Store, tmp_path: Path
) -> None:
    named = Source(str(photos), "", tmp_path, store)

    alone = ingest_dataset(named, store, "alone", tmp_path / "alone", Options()).snapshot
    joined = shared(named, store, "shared", tmp_path / "shared")

    assert joined.digest == alone.digest
    assert without_places(joined) == without_places(alone)
    assert [each.source for each in joined.rejected] == ["glass/broken.jpg"]
    assert not list(store.entries("shares/"))
    fetched = fetch_snapshot(store, newest(store, "shared"), tmp_path / "fetched")
    assert len(list(images(tmp_path / "fetched", fetched.rows))) == len(alone.rows)

    uploaded = render("paper", 999, 48, 0)
    store.put(contribution_key("uploads", "paper", hashlib.sha256(uploaded).hexdigest()), uploaded)
    nothing = replace(named, spec="")
    alone = ingest_dataset(nothing, store, "alone", tmp_path / "alone-again", Options()).snapshot
    joined = shared(nothing, store, "shared", tmp_path / "shared-again")
    assert without_places(joined) == without_places(alone)
    assert len(joined.rows) == len(fetched.rows) + 1


def test_a_share_is_examined_once_and_none_may_be_missing(photos: Path, store: Store, tmp_path: Path) -> None:
    named = Source(str(photos), "", tmp_path, store)
    seen = [ingest_share(named, store, "waste", Share(RUN, 1, 2), tmp_path / str(n)) for n in range(2)]
    assert (0 < seen[0] < 79, seen[1]) == (True, 0)
    with pytest.raises(NotFoundError, match="share 1 of 2 of run a-run was not examined"):
        join_shares(named, store, "waste", tmp_path / "joined", Options(), RUN, 2)
    assert latest(store, "waste") is None


def test_a_snapshot_that_another_run_makes_meanwhile_takes_no_image_away(
    photos: Path, embedded_store: Store, tmp_path: Path
) -> None:
    store, dataset = embedded_store, "meanwhile"
    named = Source(str(photos), "", tmp_path, store)
    write(tmp_path / "others", Spec(images=12, size=48, seed=1))
    before = ingest_dataset(named, store, dataset, tmp_path / "before", Options()).snapshot
    # More workers than some of them find files for.
    for number in range(40):
        ingest_share(named, store, dataset, Share(RUN, number, 40), tmp_path / str(number))
    ingest_dataset(
        replace(named, spec=str(tmp_path / "others")), store, dataset, tmp_path / "meanwhile", Options()
    )

    joined = join_shares(named, store, dataset, tmp_path / "joined", Options(), RUN, 40).snapshot

    assert {row.sha256 for row in joined.rows} == {row.sha256 for row in before.rows}
    fetched = fetch_snapshot(store, newest(store, dataset), tmp_path / "fetched")
    assert len(list(images(tmp_path / "fetched", fetched.rows))) == len(before.rows)


def test_images_that_workers_measure_are_judged_alike_without_their_packs(
    photos: Path, store: Store, tmp_path: Path
) -> None:
    frozen = shared(Source(str(photos), "", tmp_path, store), store, "waste", tmp_path)
    reference = newest(store, "waste")
    with pytest.raises(NotFoundError, match=r"of 72 images .* --no-cache"):
        gathered(store, reference, frozen, 2, tmp_path)
    folder = tmp_path / "rows"
    fetch_snapshot(store, reference, folder, packs=False)

    images_each = [measure_share(store, reference, number, 2, tmp_path / f"m{number}") for number in range(2)]
    measured = gathered(store, reference, frozen, 2, tmp_path)
    report = validate(frozen, folder, Thresholds(), None, measured)

    assert sum(images_each) == len(measured) == 72
    assert all(images_each)
    fetch_packs(store, folder, page.packs(report, frozen))
    assert "data:image" in page.render(report, frozen, folder)
    fetch_packs(store, folder, frozen.packs)
    assert validate(frozen, folder, Thresholds(), None) == report
    assert all(pack_path(folder, pack).is_file() for pack in frozen.packs)


def test_what_people_send_while_photos_are_looked_at_is_not_said_to_be_known(
    photos: Path, store: Store, tmp_path: Path
) -> None:
    class Slow(Source):
        """A source that takes its time, and tells when it had been read."""

        def files(self) -> Iterator[Found]:
            yield from super().files()
            read.append(datetime.now(UTC))

    read: list[datetime] = []
    named = Slow(str(photos), "", tmp_path, store)
    alone = ingest_dataset(named, store, "alone", tmp_path / "alone", Options())
    assert read[0] <= datetime.fromisoformat(alone.looked) <= datetime.now(UTC)

    for number in range(2):
        ingest_share(named, store, "shared", Share(RUN, number, 2), tmp_path / str(number))
    together = join_shares(named, store, "shared", tmp_path / "joined", Options(), RUN, 2)
    assert read[1] <= datetime.fromisoformat(together.looked) <= read[2]
