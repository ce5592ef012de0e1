"""Training images a batch at a time: drawn in a new order each epoch, varied, weighted; memory stays flat."""

import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from components.train.augmentation import Strength, varied


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (images, one-hot labels, weights); the same seed gives the same batches in any process."""

    def __init__(
        self,
        images: NDArray[Any],  # uint8 pixels, or float16 vectors
        labels: NDArray[np.int64],
        class_weights: NDArray[np.float32],
        batch_size: int,
        *,
        seed: int | None = None,  # None: in order
        strength: Strength | None = None,
        multiple: int = 1,  # of which every batch is one, for so many devices that share it
    ) -> None:
        super().__init__()
        self._images = images
        self._labels = np.eye(len(class_weights), dtype=np.float32)[labels]
        self._weights = class_weights[labels]
        self._batch_size = batch_size
        self._seed = seed
        self._strength = strength
        self._multiple = multiple
        self._epoch = 0
        self._order = self._ordered()

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch_size)

    def __getitem__(self, index: int) -> tuple[object, object, object]:
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        # A file that is mapped is read fastest in its own order.
        chosen = np.sort(chosen)
        images = np.asarray(self._images[chosen])
        if self._strength is not None:
            draw = np.random.default_rng([self._seed or 0, self._epoch, index])
            images = varied(images, self._strength, draw)
        return images, self._labels[chosen], self._weights[chosen]

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self._epoch += 1
        self._order = self._ordered()

    def _ordered(self) -> NDArray[np.int64]:
        number = len(self._labels)
        order = np.arange(number)
        if self._seed is not None:
            order = np.random.default_rng([self._seed, self._epoch]).permutation(number)
        # A device without an image stops them all: the first few images are seen twice instead.
        return np.resize(order, math.ceil(number / self._multiple) * self._multiple)


def class_weights(labels: NDArray[np.int64], classes: int, *, balanced: bool) -> NDArray[np.float32]:
    """How much an image of each class counts: 1 on average; with `balanced`, each class as much as any other."""
    if not balanced:
        return np.ones(classes, dtype=np.float32)
    counts = np.bincount(labels, minlength=classes)
    weights: NDArray[np.float32] = (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)
    return weights
