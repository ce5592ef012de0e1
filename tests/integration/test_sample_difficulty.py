"""The sample is worth training on: pixels alone do not give its classes away. (`test_steps` shows what does.)"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from binocular.sample.drawing import write
from binocular.sample.spec import CLASSES, Spec

SIZE = 96
TRAIN = 0.7

Split = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Images and labels to train with, then to test with."""
    folder = tmp_path_factory.mktemp("sample") / "sample"
    write(folder, Spec())
    paths = [(path, CLASSES.index(path.parent.name)) for path in sorted(folder.rglob("*.jpg"))]
    order = np.random.default_rng(1).permutation(len(paths))
    images = np.array([_pixels(paths[i][0]) for i in order])
    labels = np.array([paths[i][1] for i in order])
    cut = int(len(order) * TRAIN)
    return images[:cut], labels[:cut], images[cut:], labels[cut:]


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX))


@pytest.mark.parametrize("strength", [1e2, 1e4, 1e6])
def test_a_linear_model_on_pixels_stays_below_70_percent(split: Split, strength: float) -> None:
    images, labels, test_images, test_labels = split
    pixels = images.reshape(len(images), -1).astype(float)
    mean, deviation = pixels.mean(0), pixels.std(0)
    train, test = (pixels - mean) / deviation, (test_images.reshape(len(test_images), -1) - mean) / deviation
    # Ridge regression on one column a class, solved for images rather than for pixels, which are many more.
    targets = np.where(labels[:, None] == np.arange(len(CLASSES)), 1.0, -1.0)
    weights = np.linalg.solve(train @ train.T + strength * np.eye(len(train)), targets)

    found = (test @ train.T @ weights).argmax(1)

    assert 1 / len(CLASSES) < (found == test_labels).mean() < 0.7
