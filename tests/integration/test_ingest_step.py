"""The ingest step as a person runs it."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from binocular import snapshot
from binocular.contributions import contribution_key
from binocular.datasets import fetch_snapshot, latest
from binocular.errors import NotFoundError
from binocular.sample.drawing import render, write
from binocular.sample.spec import Spec
from binocular.settings import variable
from binocular.snapshot import Place, Snapshot, images
from binocular.store import Store
from components.ingest.freezing import Options
from components.ingest.sharing import Share
from components.ingest.step import Source, ingest_dataset, ingest_share, join_shares


def ingest(*arguments: object, **variables: str) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, "-m", "components.ingest", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "sample"
    write(folder, Spec(images=12, size=48))
    return folder


def test_a_folder_becomes_a_snapshot(photos: Path, tmp_path: Path) -> None:
    code, output = ingest(photos, "--out", tmp_path / "snapshot")

    frozen = snapshot.read(tmp_path / "snapshot")
    assert code == 0
    assert f"snapshot {frozen.digest}: 72 images, 0 files rejected" in output
    assert len(list(images(tmp_path / "snapshot", frozen.rows))) == 72
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]


def test_more_photos_on_top_of_a_snapshot_move_none(photos: Path, tmp_path: Path) -> None:
    ingest(photos, "--out", tmp_path / "before")
    shutil.copytree(photos, tmp_path / "more")
    for number in range(100, 150):
        (tmp_path / "more" / "glass" / f"glass-{number:04}.jpg").write_bytes(render("glass", number, 48, 0))

    code, _ = ingest(tmp_path / "more", "--out", tmp_path / "after", "--previous", tmp_path / "before")

    before, after = snapshot.read(tmp_path / "before"), snapshot.read(tmp_path / "after")
    sides = {row.sha256: row.split for row in after.rows}
    assert code == 0
    assert len(after.rows) == 72 + 50
    assert all(sides[row.sha256] == row.split for row in before.rows)
    assert len(list(images(tmp_path / "after", after.rows))) == 72 + 50


def test_an_error_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    code, output = ingest(tmp_path / "absent", "--out", tmp_path / "snapshot")
    assert (code, output.count("\n")) == (1, 1), output
    (tmp_path / "evil.tar").touch()
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../../evil/a.jpg"))

    code, output = ingest(tmp_path / "evil.tar", "--out", tmp_path / "snapshot")

    assert (code, output.count("\n")) == (1, 1), output
    assert "evil.tar" in output
    assert [path.name for path in tmp_path.iterdir()] == ["evil.tar"]


def test_a_snapshot_is_never_overwritten(photos: Path, tmp_path: Path) -> None:
    assert "exists; name another folder" in ingest(photos, "--out", tmp_path)[1]


def test_a_dataset_in_the_store_grows_by_what_people_contribute(
    photos: Path, store: Store, tmp_path: Path
) -> None:
    endpoint = store.endpoint
    variables = {
        variable("store_url"): endpoint.url,
        variable("store_access_key"): endpoint.access_key,
        variable("store_secret_key"): endpoint.secret_key,
        variable("store_bucket"): endpoint.bucket,
    }
    code, output = ingest(photos, "--dataset", "waste", **variables)
    assert code == 0, output
    first = latest(store, "waste")
    assert first is not None
    before = fetch_snapshot(store, first, tmp_path / "first")
    wrong = next(row for row in before.rows if row.label == "glass")
    ((_, data),) = images(tmp_path / "first", [wrong])
    store.put(contribution_key("feedback", "metal", wrong.sha256), data)
    uploaded = render("paper", 999, 48, 0)
    store.put(contribution_key("uploads", "paper", hashlib.sha256(uploaded).hexdigest()), uploaded)

    code, output = ingest(photos, "--dataset", "waste", **variables)

    assert code == 0, output
    code, output = ingest(f"s3://{endpoint.bucket}/uploads", "--out", tmp_path / "from-store", **variables)
    assert (code, "1 images" in output) == (0, True), output
    second = latest(store, "waste")
    assert second is not None
    after = fetch_snapshot(store, second, tmp_path / "second")
    assert len(after.rows) == len(before.rows) + 1
    (corrected,) = [row for row in after.rows if row.sha256 == wrong.sha256]
    assert (corrected.label, corrected.corrected, corrected.split) == ("metal", True, wrong.split)
    assert uploaded in [data for _, data in images(tmp_path / "second", after.rows)]


def test_without_a_source_a_dataset_is_what_it_holds_and_what_people_contribute(
    photos: Path, store: Store, tmp_path: Path
) -> None:
    """Also where the photos were published on sides and a person corrected one since."""
    published = tmp_path / "published"
    for path in photos.rglob("*.jpg"):
        side = "test" if path.stem.endswith("1") else "train"
        place = published / side / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())

    def frozen(source: str, scratch: str) -> Snapshot:
        named = Source(source, "", tmp_path / "downloads", store)
        return ingest_dataset(named, store, "waste", tmp_path / scratch, Options())[1]

    with pytest.raises(NotFoundError, match="holds nothing yet"):
        frozen("", "0")
    first = frozen(str(published), "1")
    wrong = next(row for row in first.rows if row.label == "glass" and row.published == "train")
    data = (published / wrong.sources[0]).read_bytes()
    store.put(contribution_key("feedback", "metal", wrong.sha256), data)
    uploaded = render("paper", 999, 48, 0)
    store.put(contribution_key("uploads", "paper", hashlib.sha256(uploaded).hexdigest()), uploaded)

    alone = ingest_dataset(Source("", "", tmp_path, store), store, "plants", tmp_path / "p", Options())[1]
    assert {row.label for row in alone.rows} == {"metal", "paper"}

    second = frozen("", "2")
    third = frozen("", "3")

    assert second.digest == third.digest
    assert len(second.rows) == len(first.rows) + 1
    assert {row.found for row in third.rows} == {1}
    (corrected,) = [row for row in third.rows if row.sha256 == wrong.sha256]
    assert (corrected.label, corrected.corrected, corrected.published) == ("metal", True, "train")
    sides = {row.sha256: row.split for row in third.rows}
    assert all(sides[row.sha256] == row.split for row in first.rows)


def shared(source: Source, store: Store, dataset: str, scratch: Path, workers: int = 3) -> Snapshot:
    """The snapshot of a source that several workers have examined, put together."""
    for number in range(workers):
        ingest_share(source, store, dataset, Share("a-run", number, workers), scratch / str(number))
    return join_shares(source, store, dataset, scratch / "joined", Options(), "a-run", workers)[1]


def without_places(frozen: Snapshot) -> list[object]:
    return [replace(row, place=Place("", 0, 0)) for row in frozen.rows]


def test_workers_that_share_a_source_come_to_what_one_comes_to(photos: Path, store: Store, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "glass" / "broken.jpg").write_bytes(b"no image")
    twice = next((tmp_path / "photos" / "metal").iterdir())
    for number in range(6):
        shutil.copy(twice, tmp_path / "photos" / "metal" / f"copy-{number}.jpg")
    named = Source(str(tmp_path / "photos"), "", tmp_path, store)

    _, alone = ingest_dataset(named, store, "alone", tmp_path / "alone", Options())
    joined = shared(named, store, "shared", tmp_path / "shared")

    assert joined.digest == alone.digest
    assert without_places(joined) == without_places(alone)
    assert [each.source for each in joined.rejected] == ["glass/broken.jpg"]
    assert not list(store.entries("shares/"))
    reference = latest(store, "shared")
    assert reference is not None
    fetched = fetch_snapshot(store, reference, tmp_path / "fetched")
    assert len(list(images(tmp_path / "fetched", fetched.rows))) == len(alone.rows)

    uploaded = render("paper", 999, 48, 0)
    store.put(contribution_key("uploads", "paper", hashlib.sha256(uploaded).hexdigest()), uploaded)
    nothing = replace(named, spec="")
    _, alone = ingest_dataset(nothing, store, "alone", tmp_path / "alone-again", Options())
    joined = shared(nothing, store, "shared", tmp_path / "shared-again")
    assert without_places(joined) == without_places(alone)
    assert len(joined.rows) == len(fetched.rows) + 1


def test_a_share_is_examined_once_and_none_may_be_missing(photos: Path, store: Store, tmp_path: Path) -> None:
    named = Source(str(photos), "", tmp_path, store)
    seen = [ingest_share(named, store, "waste", Share("a-run", 1, 2), tmp_path / str(n)) for n in range(2)]
    assert (0 < seen[0] < 72, seen[1]) == (True, 0)
    with pytest.raises(NotFoundError, match="share 1 of 2 of run a-run was not examined"):
        join_shares(named, store, "waste", tmp_path / "joined", Options(), "a-run", 2)
    assert latest(store, "waste") is None
