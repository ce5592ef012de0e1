"""What must not be served never becomes visible: each kind of bad version, in a real store."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from binocular import registry
from binocular.bundle import FACTS, GOLDEN, LABELS, SAVED_MODEL
from binocular.publication import MANIFEST, publish
from binocular.registry import prefix
from binocular.signatures import Signer, Trust, signature_key
from binocular.store import Store
from serving.sync.folder import ModelFolder
from serving.sync.following import Follower, Habits
from serving.sync.metrics import Metrics
from tests.puller import NAME, made, published

one_store = pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
OURS, THEIRS = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def follower(store: Store, tmp_path: Path) -> Follower:
    """A follower that asks for no signature, with version 1 offered."""
    return offering_one(store, tmp_path, Habits(poll_s=0.1, keep=3, grace_s=0))


def offering_one(store: Store, tmp_path: Path, habits: Habits, signer: Signer | None = None) -> Follower:
    assert registry.publish_version(store, NAME, made(tmp_path / "first", "first"), signer) == 1
    registry.promote(store, NAME, 1, by="Ada", why="the first", over=None)
    follower = Follower(store, NAME, ModelFolder(tmp_path / "served", NAME), habits, Metrics())
    follower.once()
    assert follower.status.in_step, follower.status
    return follower


def damaged_object(store: Store, second: Path) -> None:
    """Its bytes changed in the store after it was published."""
    path = f"{prefix(NAME, 2)}/{publish(store, second, prefix(NAME, 2)).digest}/{SAVED_MODEL}"
    store.put(path, store.read(path).data[:-1] + b"?")


def truncated_object(store: Store, second: Path) -> None:
    """Its bytes ended early."""
    path = f"{prefix(NAME, 2)}/{publish(store, second, prefix(NAME, 2)).digest}/{SAVED_MODEL}"
    store.put(path, store.read(path).data[:100])


def half_uploaded(store: Store, second: Path) -> None:
    """A manifest of files of which one never came."""
    store.delete(f"{prefix(NAME, 2)}/{publish(store, second, prefix(NAME, 2)).digest}/{GOLDEN}")


def leading_out(store: Store, second: Path) -> None:
    """A manifest that names a file outside its folder."""
    publish(store, second, prefix(NAME, 2))
    manifest = published(store, 2)
    first = manifest.files[0].model_copy(update={"path": "../../../../escaped"})
    changed = manifest.model_copy(update={"files": (first, *manifest.files[1:])})
    store.put(f"{prefix(NAME, 2)}/{MANIFEST}", changed.text().encode())


def strange_digest(store: Store, second: Path) -> None:
    """A manifest whose digest would be a path."""
    publish(store, second, prefix(NAME, 2))
    changed = published(store, 2).model_copy(update={"digest": "../../escaped"})
    store.put(f"{prefix(NAME, 2)}/{MANIFEST}", changed.text().encode())


def without_facts(store: Store, second: Path) -> None:
    (second / FACTS).unlink()
    publish(store, second, prefix(NAME, 2))


def of_a_newer_format(store: Store, second: Path) -> None:
    (second / FACTS).write_text('{"format": 2, "kinds": ["dull", "shiny"]}')
    publish(store, second, prefix(NAME, 2))


def with_damaged_facts(store: Store, second: Path) -> None:
    (second / FACTS).write_text('{"format": 1, "classes": ["a"')
    publish(store, second, prefix(NAME, 2))


def with_unreadable_golden_answers(store: Store, second: Path) -> None:
    data = (second / GOLDEN).read_bytes()
    (second / GOLDEN).write_bytes(data[:200] + b"????????" + data[208:])
    publish(store, second, prefix(NAME, 2))


def with_golden_answers_of_another_model(store: Store, second: Path) -> None:
    facts = (second / FACTS).read_text()
    (second / FACTS).write_text(facts.replace('"dull"', '"mat",\n  "dull"', 1))
    publish(store, second, prefix(NAME, 2))


def without_labels(store: Store, second: Path) -> None:
    (second / LABELS).unlink()
    publish(store, second, prefix(NAME, 2))


def without_a_graph(store: Store, second: Path) -> None:
    (second / SAVED_MODEL).unlink()
    publish(store, second, prefix(NAME, 2))


BAD: list[tuple[Callable[[Store, Path], None], str, str]] = [
    (damaged_object, "integrity", "does not match"),
    (truncated_object, "integrity", "does not match"),
    (half_uploaded, "not_found", "golden.npz"),
    (leading_out, "invalid_key", r"\.\."),
    (strange_digest, "integrity", "manifest.json is damaged: digest"),
    (without_facts, "not_found", "binocular.json is missing"),
    (of_a_newer_format, "integrity", "format 2; this release reads format 1: upgrade Binocular"),
    (with_damaged_facts, "integrity", "is damaged"),
    (with_unreadable_golden_answers, "model", "golden.npz cannot be read"),
    (with_golden_answers_of_another_model, "model", "16 x 16 pixels and 3 classes"),
    (without_labels, "model", "has no labels.json"),
    (without_a_graph, "model", "has no saved_model.pb"),
]


@one_store
@pytest.mark.parametrize(("spoil", "reason", "text"), BAD, ids=lambda each: getattr(each, "__name__", ""))
def test_a_bad_version_stays_unseen_and_the_old_one_is_offered(
    spoil: Callable[[Store, Path], None], reason: str, text: str, store: Store, follower: Follower, tmp_path: Path
) -> None:
    spoil(store, made(tmp_path / "second", "second"))
    point_at(store, 2)

    follower.turn()

    refused(follower, tmp_path, reason, text)
    assert list(tmp_path.rglob("escaped")) == []


def point_at(store: Store, version: int) -> None:
    """As somebody does who may write to the store, whatever the registry would say."""
    present = registry.production(store, NAME)
    assert present is not None
    changed = present.model_copy(update={"version": version})
    store.put(f"models/{NAME}/production.json", changed.text().encode())


def refused(follower: Follower, tmp_path: Path, reason: str, text: str) -> None:
    status = follower.status
    assert (status.reason, status.offered, status.wanted) == (reason, 1, 2), status
    assert re.search(text, status.problem), status
    assert sorted(ModelFolder(tmp_path / "served", NAME).visible()) == [1]


@one_store
def test_production_that_points_at_nothing_is_told(store: Store, follower: Follower, tmp_path: Path) -> None:
    point_at(store, 2)
    follower.turn()
    refused(follower, tmp_path, "not_found", "in production and not in the store")


@one_store
def test_a_version_that_is_turned_away_is_not_downloaded_again_and_again(
    store: Store, follower: Follower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_labels(store, made(tmp_path / "second", "second"))
    point_at(store, 2)
    sizes: list[int] = []
    monkeypatch.setattr(Metrics, "downloaded", lambda _self, _model, size, _seconds: sizes.append(size))
    for _ in range(3):
        follower._again_at = 0
        follower.turn()
    assert len(sizes) == 1


@one_store
def test_a_version_that_is_visible_and_another_than_the_published_one_is_left_alone(
    store: Store, follower: Follower, tmp_path: Path
) -> None:
    somebodys = made(tmp_path / "served" / NAME / "2", "by hand")
    registry.publish_version(store, NAME, made(tmp_path / "second", "second"))
    registry.promote(store, NAME, 2, by="Ada", why="a test", over=1)
    before = (somebodys / FACTS).read_bytes()

    follower.turn()

    assert follower.status.reason == "conflict"
    assert "holds other files" in follower.status.problem
    assert (somebodys / FACTS).read_bytes() == before


@one_store
def test_somebody_elses_newer_folder_cannot_come_before_production(follower: Follower, tmp_path: Path) -> None:
    made(tmp_path / "served" / NAME / "99", "by hand")
    follower.turn()
    assert follower.status.in_step
    assert sorted(ModelFolder(tmp_path / "served", NAME).visible()) == [1]
    assert (tmp_path / "served" / NAME / ".puller" / "aside" / "99" / FACTS).exists()


@one_store
def test_what_was_set_aside_and_damaged_there_is_brought_anew(
    store: Store, follower: Follower, tmp_path: Path
) -> None:
    registry.publish_version(store, NAME, made(tmp_path / "second", "second"))
    registry.promote(store, NAME, 2, by="Ada", why="better", over=1)
    follower.turn()
    registry.roll_back(store, NAME, by="Ada", why="worse")
    follower.turn()
    (tmp_path / "served" / NAME / ".puller" / "aside" / "2" / SAVED_MODEL).write_bytes(b"?")
    registry.roll_back(store, NAME, by="Ada", why="better")

    follower.turn()

    assert follower.status.in_step
    assert (tmp_path / "served" / NAME / "2" / SAVED_MODEL).read_bytes() != b"?"


@one_store
class TestWhereASignatureIsAskedFor:
    """With the public key of OURS given."""

    @pytest.fixture
    def strict(self, store: Store, tmp_path: Path) -> Follower:
        habits = Habits(poll_s=0.1, keep=3, grace_s=0, trust=Trust(OURS.public_key()))
        return offering_one(store, tmp_path, habits, Signer(OURS))

    def test_an_unsigned_version_is_refused_until_it_is_signed(
        self, store: Store, strict: Follower, tmp_path: Path
    ) -> None:
        registry.publish_version(store, NAME, made(tmp_path / "second", "second"))
        point_at(store, 2)
        strict.turn()
        refused(strict, tmp_path, "signature", "is not signed")

        manifest = published(store, 2)
        signature = Signer(OURS).sign(NAME, 2, manifest)
        store.put(signature_key(prefix(NAME, 2), manifest), signature.text().encode())
        strict._again_at = 0
        strict.turn()
        assert strict.status.in_step

    def test_somebody_elses_signature_does_not_count(self, store: Store, strict: Follower, tmp_path: Path) -> None:
        registry.publish_version(store, NAME, made(tmp_path / "second", "second"), Signer(THEIRS))
        point_at(store, 2)
        strict.turn()
        refused(strict, tmp_path, "signature", "none of those trusted")

    def test_a_signed_version_cannot_stand_in_for_another(
        self, store: Store, strict: Follower, tmp_path: Path
    ) -> None:
        manifest = publish(store, tmp_path / "first", prefix(NAME, 2))
        signed = store.read(signature_key(prefix(NAME, 1), manifest)).data
        store.put(signature_key(prefix(NAME, 2), manifest), signed)
        point_at(store, 2)
        strict.turn()
        refused(strict, tmp_path, "signature", "made for another version")

    def test_a_changed_file_with_a_manifest_to_match_is_refused(
        self, store: Store, strict: Follower, tmp_path: Path
    ) -> None:
        registry.publish_version(store, NAME, made(tmp_path / "second", "second"), Signer(OURS))
        signed = store.read(signature_key(prefix(NAME, 2), published(store, 2))).data
        store.delete_prefix(f"{prefix(NAME, 2)}/")
        (tmp_path / "second" / LABELS).write_text('["shiny", "dull"]')
        manifest = publish(store, tmp_path / "second", prefix(NAME, 2))
        store.put(signature_key(prefix(NAME, 2), manifest), signed)
        point_at(store, 2)
        strict.turn()
        refused(strict, tmp_path, "signature", "its files were changed")


@one_store
def test_a_folder_that_cannot_be_written_is_told_and_not_the_end(
    store: Store, follower: Follower, tmp_path: Path
) -> None:
    registry.publish_version(store, NAME, made(tmp_path / "second", "second"))
    registry.promote(store, NAME, 2, by="Ada", why="better", over=1)
    incoming = tmp_path / "served" / NAME / ".puller" / "incoming"
    shutil.rmtree(incoming)
    incoming.write_text("in the way")
    follower.turn()
    refused(follower, tmp_path, "disk", "incoming")

    incoming.unlink()
    follower._again_at = 0
    follower.turn()
    assert follower.status.in_step
