"""The ingest step as a person runs it."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from binocular import snapshot
from binocular.contributions import contribution_key
from binocular.datasets import fetch_snapshot, latest
from binocular.errors import NotFoundError
from binocular.sample.drawing import render, write
from binocular.sample.spec import Spec
from binocular.settings import variable
from binocular.snapshot import Snapshot, images
from binocular.store import Store
from components.ingest.freezing import Options
from components.ingest.step import Source, ingest_dataset


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
        return ingest_dataset(named, store, "waste", tmp_path / scratch, Options()).snapshot

    with pytest.raises(NotFoundError, match="holds nothing yet"):
        frozen("", "0")
    first = frozen(str(published), "1")
    wrong = next(row for row in first.rows if row.label == "glass" and row.published == "train")
    data = (published / wrong.sources[0]).read_bytes()
    store.put(contribution_key("feedback", "metal", wrong.sha256), data)
    uploaded = render("paper", 999, 48, 0)
    store.put(contribution_key("uploads", "paper", hashlib.sha256(uploaded).hexdigest()), uploaded)

    alone = ingest_dataset(Source("", "", tmp_path, store), store, "plants", tmp_path / "p", Options()).snapshot
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
