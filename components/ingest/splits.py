"""Which side an image is on: train, validation or test. Once decided, it stays.

1. What the source publishes is respected; a published train side gives up a part of itself for validation.
2. An image of the previous snapshot stays where it was.
3. A near-duplicate of such an image goes to the side of the nearest one.
4. A new group of near-duplicates goes, whole, where a number made from its content says. So the same images are
   split alike on every machine, and new ones never push old ones to another side.
5. A class that has none on a side, for want of luck and of images, gives one new group to it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from binocular.errors import SettingError
from binocular.snapshot import SPLITS, Split
from components.ingest.neighbours import nearest

# What an image is known by in the previous snapshot: its digest, and the side it was published on.
Known = tuple[str, Split | None]


@dataclass(frozen=True)
class Shares:
    """How large the sides shall be; what is left is for training."""

    validation: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        if not (0 < self.validation < 1 and 0 < self.test < 1 and self.validation + self.test < 1):
            raise SettingError(
                f"validation share {self.validation} and test share {self.test}: each must lie between 0 and 1, "
                "and their sum below 1"
            )


@dataclass(frozen=True, slots=True)
class Candidate:
    """What deciding about an image takes."""

    sha256: str
    label: str
    phash: np.uint64
    group: int
    published: Split | None


def assign(candidates: Sequence[Candidate], previous: Mapping[Known, Split], shares: Shares) -> list[Split]:
    """A side for each candidate, in their order."""
    carve = any(c.published == "train" for c in candidates) and not any(
        c.published == "validation" for c in candidates
    )
    groups: dict[int, list[int]] = defaultdict(list)
    for index, candidate in enumerate(candidates):
        groups[candidate.group].append(index)
    sides: list[Split | None] = [None] * len(candidates)
    fresh: dict[int, Split] = {}
    for name, members in groups.items():
        known = _known(candidates, members, previous, carve=carve)
        side = _by_content((candidates[i].sha256 for i in members if not carve or candidates[i].published), shares)
        side = "train" if carve and side == "test" else side
        if known:
            _join(candidates, members, known, side, sides)
        else:
            fresh[name] = side
            for index in members:
                sides[index] = side
    decided = [side or "train" for side in sides]
    _fill_empty_sides(candidates, groups, fresh, decided)
    return decided


def _known(
    candidates: Sequence[Candidate], members: list[int], previous: Mapping[Known, Split], *, carve: bool
) -> dict[int, Split]:
    """Those of a group whose side is decided already."""
    known: dict[int, Split] = {}
    for index in members:
        candidate = candidates[index]
        if candidate.published and not (carve and candidate.published == "train"):
            known[index] = candidate.published
        elif (candidate.sha256, candidate.published) in previous:
            known[index] = previous[candidate.sha256, candidate.published]
    return known


def _join(
    candidates: Sequence[Candidate],
    members: list[int],
    known: Mapping[int, Split],
    carved: Split,
    sides: list[Split | None],
) -> None:
    """Put each member where the nearest decided one is.

    A published train image never joins a test side: where only that is decided, it goes where training gives it.
    """
    for index in members:
        train_only = candidates[index].published == "train"
        pool = {i: side for i, side in known.items() if not (train_only and side == "test")}
        if index in known:
            sides[index] = known[index]
        elif pool:
            sides[index] = _nearest_side(candidates, pool, candidates[index].phash)
        else:
            sides[index] = carved


def _nearest_side(candidates: Sequence[Candidate], pool: Mapping[int, Split], phash: np.uint64) -> Split:
    decided = sorted(pool, key=lambda index: candidates[index].sha256)
    hashes = np.array([candidates[index].phash for index in decided], dtype=np.uint64)
    return pool[decided[nearest(hashes, phash)[0]]]


def _by_content(members: Iterable[str], shares: Shares) -> Split:
    """A side drawn by the content of a group: by its member with the smallest digest."""
    seed = hashlib.sha256(min(members, default="").encode()).digest()
    number = int.from_bytes(seed[:8], "big") / 2**64
    if number < shares.test:
        return "test"
    return "validation" if number < shares.test + shares.validation else "train"


def _fill_empty_sides(
    candidates: Sequence[Candidate],
    groups: Mapping[int, list[int]],
    fresh: Mapping[int, Split],
    decided: list[Split],
) -> None:
    """Give a side that has none of a class one new group of it, from the side that has most to spare."""
    present: dict[str, set[Split]] = defaultdict(set)
    spare: dict[str, dict[Split, list[int]]] = defaultdict(lambda: {side: [] for side in SPLITS})
    for index, candidate in enumerate(candidates):
        present[candidate.label].add(decided[index])
    for name in sorted(fresh, key=lambda name: min(candidates[i].sha256 for i in groups[name])):
        labels = {candidates[index].label for index in groups[name]}
        if len(labels) == 1 and not any(candidates[index].published for index in groups[name]):
            spare[labels.pop()][fresh[name]].append(name)
    for label, by_side in spare.items():
        for side in SPLITS:
            donor = max(SPLITS, key=lambda each: len(by_side[each]))
            if side not in present[label] and len(by_side[donor]) > 1:
                for index in groups[by_side[donor].pop()]:
                    decided[index] = side
