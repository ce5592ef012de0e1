"""What the gateway answers about photos is what Keras answers in training: through export, server and HTTP."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from binocular.candidate import POOLED, Answers
from binocular.imaging import decode
from binocular.sample.drawing import write as draw
from binocular.sample.spec import CLASSES, Spec
from binocular.store import Store, connect
from components.export.familiarity import with_familiarity
from components.export.graphs import write_graphs
from components.train import architectures
from components.train.familiar import Prototypes
from components.train.recipe import Recipe
from components.train.shelf import FolderShelf
from components.train.weights import Origin
from gateway.metrics import samples
from tests.gateway_server import NAME, documented_app, publish_facts, settings_for
from tests.modelfolders import publish
from tests.modelserver import ModelServer

# A form of more than 500 kB would be a file of the test client's, which it forgets.
SIDE, BATCH, EPOCHS = 64, 10, 10
MOST_OFF = 1e-4
# Between the drawn photos that such a network finds familiar and those that it does not.
FAMILIAR_FROM = 0.96


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Prototypes]:
    """A network that was trained for a moment, and where what it learnt lies."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("training")
    recipe = Recipe(architecture="small_cnn")
    trained = architectures.on_features(
        architectures.backbone(recipe, SIDE, Origin(FolderShelf(folder), None, folder)), len(CLASSES), recipe
    )
    draw(folder / "photos", Spec(images=20, size=128, seed=1))
    files = sorted((folder / "photos").glob("*/*.jpg"))
    pixels = np.stack([decode(each.read_bytes(), SIDE, SIDE) for each in files])
    labels = np.array([CLASSES.index(each.parent.name) for each in files])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained.compile(keras.optimizers.Adam(3e-3), loss)
    trained.fit(pixels, labels, batch_size=20, epochs=EPOCHS, verbose=0)
    model = architectures.classifier(trained)
    pooled = keras.Model(model.input, model.get_layer(POOLED).output)
    return model, Prototypes.of(pooled.predict(pixels, verbose=0), labels, seed=0)


@pytest.fixture(scope="module")
def model(trained: tuple[keras.Model, Prototypes]) -> keras.Model:
    """The network alone."""
    return trained[0]


@pytest.fixture(scope="module")
def client(
    trained: tuple[keras.Model, Prototypes], embedded_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A gateway in front of a model server with the graphs that export makes of it."""
    folder = tmp_path_factory.mktemp("keras")
    made = folder / "made"
    made.mkdir()
    model, prototypes = trained
    write_graphs(
        with_familiarity(model, prototypes.vectors), Answers(classes=tuple(CLASSES), height=SIDE, width=SIDE), made
    )
    (made / "binocular.json").write_text("{}")
    publish(made, folder / NAME, 1)
    with ModelServer(folder, f"--model_name={NAME}", f"--model_base_path={folder / NAME}") as server:
        address = {"model_address": f"127.0.0.1:{server.port}", "gateway_deadline_s": 60}
        settings = settings_for(folder / "home", embedded_store, **address)
        (folder / "facts").mkdir()
        publish_facts(connect(settings), folder / "facts", CLASSES, SIDE, "run-1", familiar_from=FAMILIAR_FROM)
        yield documented_app(settings).test_client()


def agree(client: Any, model: keras.Model, photos: list[bytes]) -> None:
    """The gateway gives each photo the label and the probabilities that Keras gives it."""
    labels = set()
    for start in range(0, len(photos), BATCH):
        some = photos[start : start + BATCH]
        form = {"files": [(io.BytesIO(data), "a.jpg") for data in some]}
        told = [each["prediction"] for each in client.post("/v1/predict/batch", data=form).json["predictions"]]
        expected = np.asarray(model(np.stack([decode(data, SIDE, SIDE) for data in some]), training=False))
        got = np.array([[each["probabilities"][label] for label in CLASSES] for each in told])
        assert np.abs(got - expected).max() <= MOST_OFF
        assert [each["best_guess"] for each in told] == [CLASSES[best] for best in expected.argmax(axis=1)]
        labels |= {each["best_guess"] for each in told}
    assert len(labels) > 1, "a network that finds all photos alike proves nothing"


def test_of_sixty_drawn_photos(client: Any, model: keras.Model, tmp_path: Path) -> None:
    draw(tmp_path / "photos", Spec(images=10, size=128))
    photos = [path.read_bytes() for path in sorted((tmp_path / "photos").glob("*/*.jpg"))]
    assert len(photos) == 60
    agree(client, model, photos)


def test_what_is_less_familiar_than_the_version_asks_for_is_unknown_however_sure_it_is(
    client: Any, trained: tuple[keras.Model, Prototypes], tmp_path: Path
) -> None:
    model, prototypes = trained
    draw(tmp_path / "photos", Spec(images=3, size=128, seed=9))
    photos = [path.read_bytes() for path in sorted((tmp_path / "photos").glob("*/*.jpg"))]
    pooled = keras.Model(model.input, model.get_layer(POOLED).output)
    pixels = np.stack([decode(each, SIDE, SIDE) for each in photos])
    familiarity = prototypes.familiarity(pooled.predict(pixels, verbose=0))
    nearest = np.abs(familiarity - FAMILIAR_FROM).min()
    assert nearest > MOST_OFF, "a photo on the line may fall to either side"
    here = client.application.extensions["binocular"].settings
    asking: Any = documented_app(here.model_copy(update={"gateway_confidence": None})).test_client()
    told = [asking.post("/v1/predict", data=each, content_type="image/jpeg").json for each in photos]
    assert [each.get("doubt") == "unfamiliar" for each in told] == (familiarity < FAMILIAR_FROM).tolist()
    assert {each["label"] for each in told if each.get("doubt")} == {"unknown"}
    for doubt in ("unfamiliar", "unsure"):
        counted = sum(value for each, value in samples("binocular_doubts_total") if each["doubt"] == doubt)
        assert counted >= sum(each.get("doubt") == doubt for each in told)
    assert 0 < sum(each.get("doubt") == "unfamiliar" for each in told) < len(told)


def test_of_two_hundred_real_ones(client: Any, model: keras.Model) -> None:
    path = Path(os.environ.get("TEST_DATA_FOLDER", "")) / "trashnet.tar"
    if not (os.environ.get("TEST_DATA_FOLDER") and path.is_file()):
        pytest.skip("TEST_DATA_FOLDER names no folder that holds trashnet.tar, real photographs to test with")
    with tarfile.open(path) as archive:
        members = [each for each in archive if each.isfile() and each.name.endswith(".jpg")]
        chosen = members[:: len(members) // 200][:200]
        photos = [(archive.extractfile(each) or io.BytesIO()).read() for each in chosen]
    assert len(photos) == 200
    agree(client, model, photos)
