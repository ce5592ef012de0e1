"""Finding near-duplicates among perceptual hashes without comparing everything with everything.

Two hashes of 64 bits that differ in at most `distance` bits agree on at least one of `distance + 1` slices. So
only hashes that share a slice are compared; the time grows with the number of images, not with its square.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BITS = 64
# Where very many different hashes share a slice (plain walls, black frames), each is compared with one to two
# blocks of its neighbours in numerical order and not with all: pairs may be missed there, the time stays bounded.
# Equal hashes are merged before and never missed.
BLOCK = 1024
# A group is taken apart when it has more members than this, and more than this share of a class.
LEAST_CHAIN = 10
CLASS_SHARE = 0.1

Hashes = NDArray[np.uint64]
Groups = NDArray[np.int64]


def group(hashes: Hashes, distance: int) -> Groups:
    """For each hash the index of its group's first member: groups are chains of hashes `distance` bits apart."""
    distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    forest = _Forest(len(distinct))
    for one, other in _slices(distance):
        _join_within(distinct, (distinct >> np.uint64(one)) & np.uint64((1 << other) - 1), distance, forest)
    roots = forest.roots()
    # The group's name is its earliest member in the order that the caller gave.
    earliest = np.full(len(distinct), len(hashes), dtype=np.int64)
    np.minimum.at(earliest, roots, first)
    named: Groups = earliest[roots][inverse]
    return named


def group_within_classes(hashes: Hashes, labels: Sequence[str], distance: int) -> Groups:
    """The groups, where no chain swallows a class.

    Frames of a film or of a turntable are a chain of near-duplicates from the first to the last; kept on one side,
    a class would have no other. A group that holds more than a tenth of a class is taken apart by half the
    distance, and again, down to hashes that are equal.
    """
    in_class = Counter(labels)
    groups = group(hashes, distance)
    while distance > 0:
        distance //= 2
        for name, size in zip(*np.unique(groups, return_counts=True), strict=True):
            members = np.flatnonzero(groups == name) if size > LEAST_CHAIN else np.array([], dtype=np.int64)
            if len(members) > CLASS_SHARE * max((in_class[labels[i]] for i in members), default=0):
                groups[members] = members[group(hashes[members], distance)]
    return groups


def nearest(hashes: Hashes, candidate: np.uint64) -> tuple[int, int]:
    """The index of the hash nearest to a candidate, and how many bits lie between them."""
    apart = np.bitwise_count(hashes ^ candidate)
    index = int(apart.argmin())
    return index, int(apart[index])


def _slices(distance: int) -> list[tuple[int, int]]:
    """(first bit, number of bits) of `distance + 1` slices that cover all bits."""
    edges = np.linspace(0, BITS, distance + 2).astype(int)
    return [(int(start), int(end - start)) for start, end in pairwise(edges)]


def _join_within(distinct: Hashes, keys: Hashes, distance: int, forest: "_Forest") -> None:
    """Join those that share a key and are near."""
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    for members in np.split(order, edges):
        for start in range(0, len(members) if len(members) > 1 else 0, BLOCK):
            block = members[start : start + 2 * BLOCK]
            near = np.bitwise_count(distinct[block][:, None] ^ distinct[block][None, :]) <= distance
            for index, first in enumerate(_chains(near)):
                if first != index:
                    forest.join(int(block[first]), int(block[index]))


def _chains(near: NDArray[np.bool_]) -> NDArray[np.int16]:
    """For each row of a symmetric relation the lowest row it is connected with, over any number of steps."""
    lowest = np.arange(len(near), dtype=np.int16)
    while True:
        reached = np.where(near, lowest[None, :], np.int16(len(near))).min(1)
        reached = reached[reached]
        if (reached == lowest).all():
            return lowest
        lowest = reached


class _Forest:
    """Disjoint sets."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, node: int) -> int:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(self, one: int, other: int) -> None:
        one, other = sorted((self.root(one), self.root(other)))
        self._parent[other] = one

    def roots(self) -> Groups:
        return np.array([self.root(node) for node in range(len(self._parent))], dtype=np.int64)
