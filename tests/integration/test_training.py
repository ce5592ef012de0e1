"""Training with real networks: what is kept between trainings, what is repeatable, what is refused."""

import json
import resource
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from binocular.candidate import Candidate
from binocular.errors import DataError, NotFoundError, WeightsError
from binocular.sample.drawing import write as draw
from binocular.sample.spec import Spec
from binocular.snapshot import Snapshot, read
from binocular.store import SHA256
from components.ingest.freezing import Options
from components.ingest.step import Source, ingest_folder
from components.train import architectures, calibration
from components.train.augmentation import STRENGTHS, Strength, varied
from components.train.batches import Batches, class_weights
from components.train.embeddings import embed
from components.train.familiar import Prototypes
from components.train.material import Material
from components.train.recipe import Recipe
from components.train.shelf import FolderShelf, StoreShelf
from components.train.training import Result, Trained, train
from components.train.weights import Origin
from tests.servers import SeaweedFS
from tests.unit.components.train.test_page import facts, sweep

SIDE = 96
# At this side the network takes its time, as it does on many photos.
LARGE_SIDE = 448
ADDED = 50
# How much faster embedding is where most is known: with a few hundred photos, starting the network counts as well.
LEAST_SPEEDUP = 2


@dataclass(frozen=True)
class Photos:
    """A snapshot, the same with more photos, and weights for a narrow network."""

    before: Path
    after: Path
    weights: Path


# What does not depend on the kind of store is tried with one.
one_store = pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
FINE_TUNED = {"seed": 7, "fine_tune_epochs": 1, "fine_tune_share": 0.3}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    home = tmp_path_factory.mktemp("training")
    draw(home / "photos", Spec(images=50, size=SIDE))
    ingest_folder(Source(str(home / "photos"), "", home, None), home / "before", None, Options())
    draw(home / "more", Spec(images=9, size=SIDE, seed=1))
    for path in sorted((home / "more").rglob("*.jpg"))[:ADDED]:
        path.rename(home / "photos" / path.parent.name / f"more-{path.name}")
    ingest_folder(Source(str(home / "photos"), "", home, None), home / "after", home / "before", Options())
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), alpha=0.35
    )
    network.save_weights(home / "net.weights.h5")
    return Photos(home / "before", home / "after", home / "net.weights.h5")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What trainings leave to each other, where it does not matter what they find."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture(scope="module")
def fine_tuned(photos: Photos, shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A head, and the upper layers with it."""
    return trained(photos.before, tmp_path_factory.mktemp("fine"), recipe(photos, **FINE_TUNED), shelf=shelf)


def frozen(folder: Path) -> Snapshot:
    return read(folder)


def material(folder: Path) -> Material:
    return Material(frozen(folder), folder, frozen(folder).rows)


def recipe(photos: Photos, **changes: Any) -> Recipe:
    given = {
        "weights": str(photos.weights),
        "alpha": 0.35,
        "image_size": SIDE,
        "epochs": 2,
        "fine_tune_share": 0.0,
    }
    return Recipe.of({**given, **changes})


def trained(folder: Path, scratch: Path, *recipes: Recipe, shelf: Path | None = None) -> Result:
    origin = Origin(FolderShelf(shelf or scratch / "shelf"), None, scratch / "downloads")
    return train(material(folder), recipes, origin, scratch / "work")


def answers(result: Result) -> NDArray[np.float32]:
    images = np.random.default_rng(0).integers(0, 256, (4, result.facts.height, result.facts.width, 3), np.uint8)
    return np.asarray(architectures.classifier(result.best.model)(images))


def on_two_devices(folder: Path, recipes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What came of each recipe in a process whose TensorFlow sees two devices."""
    command = [sys.executable, "-m", "tests.two_devices", str(folder), json.dumps(recipes)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()]


def no_room(*_: object) -> None:
    raise OSError("the disk is full")


def last_layer(result: Result) -> NDArray[np.float32]:
    """The weights of the head, undivided by a temperature."""
    weights: NDArray[np.float32] = result.best.model.get_layer(architectures.LOGITS).get_weights()[0]
    return weights * result.facts.validation["temperature"]


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def test_a_retraining_computes_the_embeddings_of_the_new_photos_alone(photos: Photos, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    new = {row.sha256 for row in frozen(photos.after).rows} - {row.sha256 for row in frozen(photos.before).rows}
    learnt = {row.sha256 for row in frozen(photos.after).rows if row.split != "test"}
    assert len(new) == ADDED

    wanted = recipe(photos, image_size=LARGE_SIDE)
    first = trained(photos.before, tmp_path / "1", wanted, shelf=shelf)
    second = trained(photos.after, tmp_path / "2", wanted, shelf=shelf)
    third = trained(photos.after, tmp_path / "3", wanted, shelf=tmp_path / "empty")

    assert first.facts.embedded["cached"] == 0
    assert second.facts.embedded == {"computed": len(new & learnt), "cached": len(learnt - new)}
    assert third.facts.embedded == {"computed": len(learnt), "cached": 0}
    assert third.facts.seconds["embedding"] > LEAST_SPEEDUP * second.facts.seconds["embedding"]
    assert np.allclose(answers(second), answers(third), atol=1e-3)


def test_a_damaged_shard_is_computed_again(photos: Photos, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    first = trained(photos.before, tmp_path / "1", recipe(photos), shelf=shelf)
    (shard,) = shelf.rglob("*.npz")
    shard.write_bytes(shard.read_bytes()[:1000])

    second = trained(photos.before, tmp_path / "2", recipe(photos), shelf=shelf)

    assert second.facts.embedded == first.facts.embedded
    assert np.allclose(answers(first), answers(second), atol=1e-5)


def test_a_candidate_that_is_written_in_part_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = keras.Input((8, 8, 3), dtype="uint8")
    model = keras.Model(images, keras.layers.Flatten()(images))
    prototypes = Prototypes(np.zeros((1, 2), np.float32))
    best = Trained(model, Recipe(), (), (), {}, 0.5, prototypes, None)
    result = Result(best, facts(), sweep(1e-4))
    result.write(tmp_path)
    assert Candidate.read(tmp_path) == facts()

    monkeypatch.setattr(np, "save", no_room)
    with pytest.raises(OSError, match="disk"):
        result.write(tmp_path)
    with pytest.raises(NotFoundError):
        Candidate.read(tmp_path)


def test_embeddings_of_other_weights_or_sizes_are_others(photos: Photos, tmp_path: Path) -> None:
    other = tmp_path / "other.weights.h5"
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), alpha=0.35
    )
    network.save_weights(other)
    origin = Origin(FolderShelf(tmp_path / "shelf"), None, tmp_path)
    learnt = material(photos.before)

    for weights, side in ((photos.weights, SIDE), (photos.weights, 64), (other, SIDE)):
        base = architectures.backbone(recipe(photos, weights=str(weights)), side, origin)
        assert embed(learnt, learnt.rows[:3], base, side, origin.shelf).computed == 3

    assert len(list((tmp_path / "shelf").glob("embeddings/*"))) == 3


@one_store
def test_what_is_kept_in_the_store_serves_another_machine(
    photos: Photos, tmp_path: Path, server: SeaweedFS, bucket: str
) -> None:
    store = server.store(store_bucket=bucket)
    store.ensure_bucket()
    counts = []
    for machine in ("one", "two"):
        shelf = StoreShelf(store, tmp_path / machine)
        origin = Origin(shelf, store, tmp_path / "downloads")
        result = train(material(photos.before), [recipe(photos)], origin, tmp_path / f"work-{machine}")
        counts.append(result.facts.embedded)

    assert counts[0]["computed"] == counts[1]["cached"] > 0
    assert counts[1]["computed"] == 0

    (shard,) = store.entries("embeddings/")
    store._connection.client.put(bucket, shard.key, b"damaged", {SHA256: "0" * 64})
    learnt, shelf = material(photos.before), StoreShelf(store, tmp_path / "three")
    base = architectures.backbone(recipe(photos), SIDE, Origin(shelf, store, tmp_path / "downloads"))
    assert embed(learnt, learnt.rows[:3], base, SIDE, shelf).computed == 3


def test_the_same_seed_gives_the_same_model_and_another_seed_another(
    photos: Photos, fine_tuned: Result, shelf: Path, tmp_path: Path
) -> None:
    again = trained(photos.before, tmp_path / "2", recipe(photos, **FINE_TUNED), shelf=shelf)
    other = trained(photos.before, tmp_path / "3", recipe(photos, seed=8), shelf=shelf)
    assert np.allclose(last_layer(fine_tuned), last_layer(again), atol=1e-3)
    assert not np.allclose(last_layer(fine_tuned), last_layer(other), atol=1e-3)


def test_fine_tuning_leaves_lower_layers_and_batch_norm_as_they_were(
    photos: Photos, fine_tuned: Result, tmp_path: Path
) -> None:
    start = architectures.backbone(recipe(photos), SIDE, Origin(FolderShelf(tmp_path), None, tmp_path)).model
    changed = {
        layer.name
        for layer in start.layers
        for was, now in zip(
            layer.get_weights(), fine_tuned.best.model.get_layer(layer.name).get_weights(), strict=True
        )
        if not np.array_equal(was, now)
    }
    kept = any(choice.name == "kept" for choice in fine_tuned.facts.chosen)
    lower = {layer.name for layer in start.layers[: round(0.7 * len(start.layers))]}
    assert not changed & lower
    assert not any("BN" in name or "bn" in name for name in changed)
    assert bool(changed) != kept


def test_weights_of_another_width_are_refused(photos: Photos, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="do not fit mobilenet_v2"):
        trained(photos.before, tmp_path, recipe(photos, alpha=0.5))


def test_photos_to_be_tested_on_alone_are_refused_before_anything_is_chosen(
    photos: Photos, tmp_path: Path
) -> None:
    every = material(photos.before)
    tested = replace(every, rows=tuple(every.side("test")))
    origin = Origin(FolderShelf(tmp_path / "shelf"), None, tmp_path)
    with pytest.raises(DataError, match="no training images of"):
        train(tested, [Recipe(architecture="small_cnn")], origin, tmp_path / "work")


def test_a_loss_that_is_no_number_ends_the_training_naming_the_rate(photos: Photos, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lower learning_rate"):
        trained(photos.before, tmp_path, recipe(photos, learning_rate=1, optimizer="sgd", l2=10, epochs=9))


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [("adam", "plateau"), ("adamw", "cosine"), ("rmsprop", "constant"), ("sgd", "cosine")],
)
def test_every_optimizer_and_every_schedule_learns(
    photos: Photos, shelf: Path, tmp_path: Path, optimizer: str, schedule: str
) -> None:
    wanted = recipe(photos, optimizer=optimizer, schedule=schedule, epochs=4, l1=1e-5, dropout=0.1)

    result = trained(photos.before, tmp_path, wanted, shelf=shelf)

    assert result.facts.history[-1].loss < result.facts.history[0].loss


def test_batches_are_the_same_for_the_same_seed_and_new_each_epoch() -> None:
    images = np.arange(10 * 4 * 4 * 3, dtype=np.uint8).reshape(10, 4, 4, 3)
    labels = np.arange(10) % 2
    weights = np.ones(2, np.float32)

    def epochs(seed: int) -> list[list[NDArray[np.uint8]]]:
        batches = Batches(images, labels, weights, 4, seed=seed, strength=STRENGTHS["light"])
        seen = []
        for _ in range(2):
            seen.append([np.asarray(batches[place][0]) for place in range(len(batches))])
            batches.on_epoch_end()
        return seen

    one, same, other = epochs(1), epochs(1), epochs(2)
    assert [len(batch) for batch in one[0]] == [4, 4, 2]
    assert all(np.array_equal(a, b) for a, b in zip(one[0] + one[1], same[0] + same[1], strict=True))
    assert not np.array_equal(one[0][0], one[1][0])
    assert not np.array_equal(one[0][0], other[0][0])


@pytest.mark.parametrize(("images", "sizes"), [(10, [4, 4, 4]), (12, [4, 4, 4]), (1, [4])])
def test_a_batch_that_devices_share_feeds_each_of_them(images: int, sizes: list[int]) -> None:
    pixels = np.arange(images, dtype=np.uint8).reshape(images, 1, 1, 1)
    batches = Batches(pixels, np.zeros(images, np.int64), np.ones(1, np.float32), 4, seed=0, multiple=4)

    seen = [np.asarray(batches[place][0]).ravel() for place in range(len(batches))]

    assert [len(each) for each in seen] == sizes
    assert set(np.concatenate(seen)) == set(range(images))


def test_training_on_two_devices_comes_to_what_one_device_comes_to(photos: Photos) -> None:
    base = {"architecture": "small_cnn", "image_size": 32, "epochs": 1, "augmentation": "none", "dropout": 0}
    asked = [{"devices": 1}, {}, {"devices": 3}, {"devices": 2, "batch_size": 31}]

    one, two, too_many, uneven = on_two_devices(photos.before, [base | each for each in asked])

    assert (one["devices"], two["devices"]) == (1, 2)
    assert "devices" in two["chosen"]
    assert "devices" not in one["chosen"]
    assert two["loss"] == pytest.approx(one["loss"], rel=0.03)
    assert two["validation"]["log_loss"] == pytest.approx(one["validation"]["log_loss"], rel=0.01)
    assert "devices is 3, and TensorFlow sees 2 CPU" in too_many["refused"]
    assert "batch_size is 31" in uneven["refused"]


def test_rare_classes_count_as_much_as_others() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    weights = class_weights(labels, 2, balanced=True)
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[0] * 90 == pytest.approx(weights[1] * 10)
    assert (class_weights(labels, 2, balanced=False) == 1).all()


def test_augmentation_that_goes_nowhere_only_mirrors() -> None:
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), np.uint8)
    nowhere = Strength(turn=0, zoom=0, shift=0, light=0, contrast=0, colour=0)

    found = varied(images, nowhere, np.random.default_rng(1))

    same = [np.array_equal(a, b) for a, b in zip(images, found, strict=True)]
    mirrored = [np.array_equal(a[:, ::-1], b) for a, b in zip(images, found, strict=True)]
    assert all(a or b for a, b in zip(same, mirrored, strict=True))
    assert 10 < sum(mirrored) < 54


def test_a_temperature_makes_probabilities_mean_what_they_say() -> None:
    draw_from = np.random.default_rng(0)
    labels = draw_from.integers(0, 3, 4000)
    logits = draw_from.normal(0, 1, (4000, 3)).astype(np.float32)
    logits[np.arange(4000), labels] += 1.5
    # Twice as sure as it has reason to be.
    found = calibration.temperature(2 * logits, labels)
    assert found == pytest.approx(2 * calibration.temperature(logits, labels), rel=0.02)
    assert calibration.log_loss(2 * logits / found, labels) < calibration.log_loss(2 * logits, labels)
