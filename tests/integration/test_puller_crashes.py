"""The puller ends at each of its steps on disk in turn: what a model server sees is right after each."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from binocular import registry
from binocular.store import Store
from serving.sync.folder import ModelFolder
from serving.sync.following import Follower, Habits
from serving.sync.metrics import Metrics
from tests.puller import NAME, assert_whole, publish

# What changes a disk, as far as the puller does it.
STEPS: list[tuple[Any, str]] = [
    (Path, "rename"),
    (Path, "replace"),
    (Path, "unlink"),
    (os, "mkdir"),
    (shutil, "copyfile"),
    (shutil, "rmtree"),
]


class EndedError(BaseException):
    """Nothing that the code could catch: here the process ends."""


@contextmanager
def ending_at(number: int) -> Iterator[list[str]]:
    """End before the step of this number; the names of the steps that were taken."""
    taken: list[str] = []
    with pytest.MonkeyPatch.context() as patch:

        def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any, **options: Any) -> Any:
                if len(taken) >= number:
                    raise EndedError
                taken.append(name)
                return real(*arguments, **options)

            return step

        for owner, name in STEPS:
            patch.setattr(owner, name, watched(name, getattr(owner, name)))
        yield taken


def moves(store: Store, *versions: int) -> None:
    for version in versions:
        present = registry.production(store, NAME)
        over = present.version if present else None
        registry.promote(store, NAME, version, by="Ada", why="a test", over=over)


def turned(store: Store, base: Path, *, ends_at: int | None = None, turns: int = 1) -> bool:
    """Let a puller of its own look so many times; whether it ended before it was through."""
    folder = ModelFolder(base, NAME)
    follower = Follower(store, NAME, folder, Habits(poll_s=0.1, keep=1, grace_s=0), Metrics())
    try:
        with ending_at(10_000 if ends_at is None else ends_at):
            assert folder.lock()
            for _ in range(turns):
                follower.turn()
    except EndedError:
        return True
    finally:
        folder.unlock()
    assert follower.status.in_step, follower.status
    return False


@pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
@pytest.mark.parametrize(
    ("before", "after"),
    [((1,), (2,)), ((1, 3), (1,)), ((1, 3, 1), (3,)), ((2, 4), (1,)), ((1, 2, 3), (4,))],
    ids=["forward", "back", "forward again", "back to what is not here", "forward with some to delete"],
)
def test_whatever_step_is_the_last_a_right_version_is_in_front_and_the_next_puller_finishes(
    store: Store, tmp_path: Path, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    publish(store, tmp_path, 4)
    for version in before:
        moves(store, version)
        turned(store, tmp_path / "start", turns=2)
    old = ModelFolder(tmp_path / "start", NAME).offered()
    moves(store, *after)
    ended, number = True, 0
    while ended:
        base = tmp_path / f"ends-at-{number}"
        shutil.copytree(tmp_path / "start", base)

        ended = turned(store, base, ends_at=number, turns=2)

        folder = ModelFolder(base, NAME)
        assert folder.offered() in {old, after[-1]}
        assert_whole(folder, store)
        turned(store, base, turns=2)
        assert folder.offered() == after[-1]
        assert_whole(folder, store)
        shutil.rmtree(base)
        number += 1
    assert number > 3
