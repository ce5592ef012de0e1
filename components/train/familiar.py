"""What a network has seen, in a few vectors, so that what is like none of it can be told.

    some = enough_of_each(labels, seed)                     # which images to ask the network about
    learnt = Prototypes.of(features, labels[some], seed)    # its features of them, [n, d]
    learnt.familiarity(features)                            # [n], up to 1: as near as can be to one of them

A network is sure about many a picture that is like nothing it learnt from, but what it makes of such a one lies
elsewhere: how near a picture comes to the next prototype tells better than the confidence does (docs/results.md).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

# More of them fit odd images, and in a network that is hardly trained those are everywhere.
A_CLASS = 4
# Images of a class beyond this many say nothing new about where it lies.
MOST_OF_A_CLASS = 1000
STARTS = 3
# The share of images of its classes that a network is to find familiar.
KEPT = 0.96
# Fewer images cannot say what 96 of a hundred reach.
ENOUGH = 25

Vectors = NDArray[np.float32]
Indices = NDArray[np.intp]


def enough_of_each(labels: NDArray[np.int64], seed: int) -> Indices:
    """Images enough to say where each class lies: all, or a draw of a large class."""
    draw = np.random.default_rng(seed)
    found = []
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        if len(of_class) > MOST_OF_A_CLASS:
            of_class = draw.choice(of_class, MOST_OF_A_CLASS, replace=False)
        found.append(of_class)
    return np.sort(np.concatenate(found))


@dataclass(frozen=True)
class Prototypes:
    """Vectors of length 1, [k, d]: for each class where its images lie."""

    vectors: Vectors

    @classmethod
    def of(cls, features: NDArray[np.floating], labels: NDArray[np.int64], seed: int) -> Self:
        """The prototypes of these images."""
        directions = _unit(features)
        found = [_centres(directions[labels == label], seed) for label in np.unique(labels)]
        return cls(_unit(np.concatenate(found)))

    def familiarity(self, features: NDArray[np.floating]) -> Vectors:
        """The cosine of the angle between each image and the prototype that it comes nearest to."""
        nearest: Vectors = (_unit(features) @ self.vectors.T).max(axis=1)
        return nearest

    def familiar_from(self, features: NDArray[np.floating]) -> float | None:
        """What all but a few images of its classes reach, others than it learnt from; None of too few."""
        if len(features) < ENOUGH:
            return None
        return round(float(np.quantile(self.familiarity(features), 1 - KEPT)), 4)


def _centres(directions: Vectors, seed: int) -> Vectors:
    distinct = len(np.unique(directions, axis=0))
    centres: Vectors = (
        KMeans(min(A_CLASS, distinct), n_init=STARTS, random_state=seed).fit(directions).cluster_centers_
    )
    return centres.astype(np.float32)


def _unit(vectors: NDArray[np.floating]) -> Vectors:
    vectors = vectors.astype(np.float32)  # the squares of half floats are soon too large
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    return unit
