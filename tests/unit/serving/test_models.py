import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from binocular.wire.codes import StatusCode
from serving.server.config import ModelConfig, VersionPolicy
from serving.server.deadline import Deadline
from serving.server.models import Models, Retries
from serving.server.servable import State
from serving.server.status import ServingError
from tests.servers import wait_until
from tests.unit.serving.engines import Doubling


class Loader:
    """Makes engines, and says what it did; some versions fail, some wait."""

    def __init__(self) -> None:
        self.engines: dict[int, Doubling] = {}
        self.attempts: list[int] = []
        self.bad: set[int] = set()
        self.stuck: set[int] = set()
        self.slow = threading.Event()
        self.slow.set()

    def __call__(self, model: str, version: int, path: Path) -> Doubling:
        del model, path
        self.attempts.append(version)
        if not self.stuck or version in self.stuck:
            self.slow.wait(30)
        if version in self.bad:
            raise ValueError(f"{version} is broken")
        self.engines[version] = Doubling()
        return self.engines[version]


class House:
    """Models over a folder, polled fast."""

    def __init__(self, base: Path) -> None:
        self.base, self.load = base, Loader()
        self.models = Models(self.load, Retries(2, 0.01), poll_s=0.02)

    def put(self, *versions: int) -> None:
        for version in versions:
            (self.base / str(version)).mkdir(parents=True)

    def begin(self, policy: VersionPolicy = VersionPolicy()) -> None:  # noqa: B008
        self.models.configure([ModelConfig("m", self.base, policy)])
        self.models.start()

    def states(self) -> dict[int, str]:
        try:
            return {it.version: it.state.name for it in self.models.versions("m")}
        except ServingError:
            return {}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "m")
    yield house
    house.load.slow.set()
    house.models.stop(30)


def test_the_old_version_answers_until_the_new_one_does(house: House) -> None:
    house.put(1)
    house.begin()
    wait_until(lambda: house.states() == {1: "AVAILABLE"})
    house.load.slow.clear()
    house.put(2)
    wait_until(lambda: house.states() == {1: "AVAILABLE", 2: "LOADING"})
    with house.models.use("m", None) as servable:
        assert servable.version == 1
    house.load.slow.set()
    wait_until(lambda: house.states() == {1: "END", 2: "AVAILABLE"})
    assert house.load.engines[1].closed


def test_a_version_in_use_is_not_closed(house: House) -> None:
    house.put(1)
    house.begin()
    wait_until(lambda: house.states() == {1: "AVAILABLE"})
    with house.models.use("m", None):
        house.put(2)
        wait_until(lambda: house.states() == {1: "UNLOADING", 2: "AVAILABLE"})
        assert not house.load.engines[1].closed
        with pytest.raises(ServingError, match=r"Specific\(m, 1\)"), house.models.use("m", 1):
            pass
    wait_until(lambda: house.load.engines[1].closed)


def test_a_failing_version_is_tried_again_and_then_left_until_it_returns(house: House) -> None:
    house.put(1)
    house.load.bad.add(2)
    house.begin()
    wait_until(lambda: house.states() == {1: "AVAILABLE"})
    house.put(2)
    wait_until(lambda: house.states() == {1: "AVAILABLE", 2: "END"})
    assert house.load.attempts == [1, 2, 2, 2]
    (failed,) = house.models.versions("m", 2)
    assert (failed.code, failed.message) == (StatusCode.UNKNOWN, "2 is broken")
    house.load.bad.clear()
    shutil.rmtree(house.base / "2")
    house.put(3)
    wait_until(lambda: house.states().get(3) == "AVAILABLE")
    shutil.rmtree(house.base / "3")
    house.put(2)
    wait_until(lambda: house.states().get(2) == "AVAILABLE")


def test_a_version_that_never_loads_does_not_keep_the_next_from_loading(house: House) -> None:
    house.put(1)
    house.load.stuck.add(2)
    house.begin()
    wait_until(lambda: house.states() == {1: "AVAILABLE"})
    house.load.slow.clear()
    house.put(2)
    wait_until(lambda: house.states() == {1: "AVAILABLE", 2: "LOADING"})
    house.put(3)
    wait_until(lambda: house.states() == {1: "END", 2: "LOADING", 3: "AVAILABLE"})
    house.load.slow.set()
    wait_until(lambda: house.states() == {1: "END", 2: "END", 3: "AVAILABLE"})
    assert house.load.engines[2].closed


def test_removing_the_newest_brings_the_one_before_back(house: House) -> None:
    house.put(1, 2)
    house.begin()
    wait_until(lambda: house.states() == {2: "AVAILABLE"})
    shutil.rmtree(house.base / "2")
    wait_until(lambda: house.states() == {1: "AVAILABLE", 2: "END"})


def test_policies_choose(house: House) -> None:
    house.put(1, 2, 3, 4)
    house.begin(VersionPolicy("latest", count=2))
    wait_until(lambda: house.states() == {3: "AVAILABLE", 4: "AVAILABLE"})
    house.models.configure([ModelConfig("m", house.base, VersionPolicy("specific", versions=frozenset({1, 9})))])
    wait_until(lambda: house.states() == {1: "AVAILABLE", 3: "END", 4: "END"})
    house.models.configure([ModelConfig("m", house.base, VersionPolicy("all"))])
    wait_until(lambda: set(house.states().values()) == {"AVAILABLE"})


def test_a_model_that_is_listed_no_more_is_let_go(house: House) -> None:
    house.put(1)
    house.begin()
    wait_until(lambda: house.states() == {1: "AVAILABLE"})
    house.models.configure([])
    wait_until(lambda: house.load.engines[1].closed)
    with (
        pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"),
        house.models.use("m", None),
    ):
        pass


def test_waiting_ends_with_the_failures_or_the_deadline(house: House) -> None:
    house.put(1)
    house.load.bad.add(1)
    house.begin()
    (failed,) = house.models.wait(["m"], Deadline.within(30))
    assert (failed.version, failed.state) == (1, State.END)
    house.models.configure([ModelConfig("empty", house.base.parent)])
    with pytest.raises(ServingError) as error:
        house.models.wait(["empty"], Deadline.within(0.05))
    assert error.value.canonical is StatusCode.DEADLINE_EXCEEDED


def test_labels_name_versions_that_answer(house: House) -> None:
    house.put(1, 2)
    house.begin(VersionPolicy("all"))
    wait_until(lambda: house.states() == {1: "AVAILABLE", 2: "AVAILABLE"})

    def label(version: int, *, early: bool = False) -> None:
        config = ModelConfig("m", house.base, VersionPolicy("all"), {"stable": version})
        house.models.configure([config], labels_before_loading=early)

    label(1)
    with house.models.use("m", None, "stable") as servable:
        assert servable.version == 1
    for early in (False, True):  # it points elsewhere already, so it may not move to what does not answer
        with pytest.raises(ServingError, match="Request to assign label to version 9 of model m"):
            label(9, early=early)
    with house.models.use("m", None, "stable") as servable:
        assert servable.version == 1
    label(2)
    with house.models.use("m", None, "stable") as servable:
        assert servable.version == 2
