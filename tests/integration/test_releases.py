"""What earlier releases published is read, verified and served by this one."""

from pathlib import Path

import pytest

from binocular import registry
from binocular.bundle import FILES, Bundle, check
from binocular.folders import put_folder
from binocular.publication import MANIFEST, Manifest, describe
from binocular.signatures import Trust
from binocular.store import Store
from components.export.golden import prove
from serving.sync.folder import ModelFolder
from serving.sync.following import Follower, Habits
from serving.sync.metrics import Metrics
from tests.puller import RELEASE_1

RELEASES = [RELEASE_1]
SMALL_BYTES = 150_000


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
@pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
def test_a_version_of_an_earlier_release_is_verified_and_served(
    store: Store, release: Path, tmp_path: Path
) -> None:
    for _ in put_folder(store, release / "models", "models"):
        pass
    trust = Trust.read(release / "public.pem")

    folder = ModelFolder(tmp_path, "glitter")
    follower = Follower(store, "glitter", folder, Habits(poll_s=1, keep=1, grace_s=0, trust=trust), Metrics())
    follower.once()

    assert follower.status.in_step, follower.status
    assert check(folder.path / "1").classes == ("dull", "shiny")
    present = registry.production(store, "glitter")
    assert present is not None
    assert (present.version, present.previous, present.moves[0].why) == (1, None, "the first version")
    assert registry.facts(store, "glitter", 1).metrics["accuracy"] == 1


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_its_graphs_still_answer_as_they_did(release: Path) -> None:
    (manifest,) = release.rglob(MANIFEST)
    folder = manifest.parent / Manifest.load(manifest).digest
    assert [name for name in FILES if not (folder / name).is_file()] == []
    assert describe(folder) == Manifest.load(manifest)
    assert Bundle.read(folder).name == "glitter"
    assert set(prove(folder)) == {"SavedModel", "LiteRT"}
