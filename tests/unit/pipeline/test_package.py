"""The compiled package: it is the one its sources make, it explains itself, and its cache is safe."""

import configparser
import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest
import yaml

import components
from binocular.flow import Flow
from binocular.form import FORM
from components.train.recipe import Recipe
from pipeline import PACKAGE, form
from pipeline import compile as compiling
from pipeline.cluster import NEEDS, Cluster
from pipeline.local.package import vet
from pipeline.pipeline import compiled_for

FOLDER = Path(components.__file__).parent


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    found: dict[str, Any] = next(iter(yaml.safe_load_all(PACKAGE.read_text())))
    return found


def tasks(component: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from component.get("dag", {}).get("tasks", {}).items()


def every_task(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: task for part in (spec["root"], *spec["components"].values()) for name, task in tasks(part)}


def _is_cached(task: dict[str, Any]) -> bool:
    return bool(task.get("cachingOptions", {}).get("enableCache"))


def test_the_package_is_the_one_its_sources_make() -> None:
    assert PACKAGE.read_text() == compiling.package(components.IMAGE), "run `make compile`"


def test_what_a_form_knows_is_of_the_same_sources_and_of_every_parameter(spec: dict[str, Any]) -> None:
    assert PACKAGE.with_suffix(FORM).read_text() == form.text(), "run `make compile`"
    assert set(json.loads(form.text())) == set(spec["root"]["inputDefinitions"]["parameters"])


def test_every_parameter_has_a_default_and_a_description(spec: dict[str, Any]) -> None:
    inputs = spec["root"]["inputDefinitions"]["parameters"]
    assert set(inputs) == set(inspect.signature(compiled_for(Cluster()).pipeline_func).parameters)
    for name, definition in inputs.items():
        assert definition["isOptional"], name
        assert definition["description"].endswith("."), name


def test_every_parameter_of_training_is_one_of_the_pipeline(spec: dict[str, Any]) -> None:
    inputs = spec["root"]["inputDefinitions"]["parameters"]
    for each in fields(Recipe):
        assert inputs[each.name]["defaultValue"] == each.default, each.name


def test_what_looks_outside_always_runs_and_the_rest_may_be_remembered(spec: dict[str, Any]) -> None:
    cached = {name for name, task in every_task(spec).items() if _is_cached(task)}
    assert cached & {"ingest", "export", "record-rejection"} == set()
    assert {"validate", "train", "evaluate"} <= cached


def test_what_is_remembered_is_told_the_snapshot_and_the_champion_it_depends_on(spec: dict[str, Any]) -> None:
    found = every_task(spec)
    for name, told in {"validate": {"snapshot", "champion"}, "train": {"snapshot"}}.items():
        parameters = found[name]["inputs"]["parameters"]
        assert {each for each, given in parameters.items() if "taskOutputParameter" in given} == told
    parameters = found["evaluate"]["inputs"]["parameters"]
    assert {"snapshot", "champion"} <= set(parameters)


def test_the_keys_of_the_store_come_from_a_secret_and_are_no_parameters(spec: dict[str, Any]) -> None:
    assert not [
        name for name in spec["root"]["inputDefinitions"]["parameters"] if "key" in name or "secret" in name
    ]
    text = PACKAGE.read_text()
    *_, platforms = yaml.safe_load_all(text)
    executors = platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == set(spec["deploymentSpec"]["executors"])
    for executor in executors.values():
        (secret,) = executor["secretAsEnv"]
        assert {each["envVar"] for each in secret["keyToEnv"]} == {
            "BINOCULAR_STORE_ACCESS_KEY",
            "BINOCULAR_STORE_SECRET_KEY",
        }


def _executors(text: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The name of each step, its container and its settings for Kubernetes."""
    spec, *rest = yaml.safe_load_all(text)
    settings = rest[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for label, executor in spec["deploymentSpec"]["executors"].items():
        yield executor["container"]["args"][-1], executor["container"], settings[label]


def test_every_step_says_what_it_needs_and_runs_as_nobody() -> None:
    seen = {}
    for name, container, settings in _executors(PACKAGE.read_text()):
        seen[name] = container["resources"]["resourceMemoryLimit"]
        assert container["resources"]["cpuRequest"] <= container["resources"]["cpuLimit"]
        assert settings["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": "65532",
            "runAsGroup": "65532",
        }
        assert "accelerator" not in container["resources"]
    assert seen == {name: needs.most_memory for name, needs in NEEDS.items()}


def test_a_cluster_gives_training_its_devices_and_every_step_tries_disk_and_a_registry() -> None:
    options = ["--accelerators", "2", "--node", "pool=gpu", "--retries", "3", "--pull-secret", "registry"]
    with compiling.compile_package.make_context("compile", [*options, "--scratch", "100Gi"]) as context:
        del context.params["image"], context.params["out"]
        cluster = compiling.cluster_of(**context.params)
    text = compiling.package("registry.example.com/team/steps", cluster)
    for name, container, settings in _executors(text):
        assert container["image"].startswith("registry.example.com/team/steps:")
        assert settings["imagePullSecret"][0]["secretName"] == "registry"
        assert settings["genericEphemeralVolume"][0]["size"] == "100Gi"
        accelerator = container["resources"].get("accelerator", {})
        assert accelerator.get("resourceCount", "0") == ("2" if name == "train" else "0"), name
        assert ("nodeSelector" in settings) == ("tolerations" in settings) == (name == "train"), name
    tries = {name: task["retryPolicy"]["maxRetryCount"] for name, task in _tasks_with_tries(text).items()}
    assert tries == {name.replace("_", "-"): 3 for name in NEEDS}


def _tasks_with_tries(text: str) -> dict[str, dict[str, Any]]:
    found = every_task(next(iter(yaml.safe_load_all(text))))
    return {name: task for name, task in found.items() if "retryPolicy" in task}


@pytest.fixture(scope="module")
def shared() -> dict[str, Any]:
    """The package of a cluster where several workers look at the photos."""
    spec: dict[str, Any] = next(iter(yaml.safe_load_all(compiling.package(components.IMAGE, Cluster(shards=3)))))
    return spec


def test_workers_come_before_the_step_that_joins_what_they_saw(shared: dict[str, Any]) -> None:
    flow = Flow.of(shared)
    drawn = [(node.name, [each.rpartition("/")[2] for each in node.after]) for node in flow.nodes]
    assert drawn[:4] == [
        ("examine", []), ("ingest", ["examine"]), ("measure", ["ingest"]), ("validate", ["measure"])
    ]  # fmt: skip
    assert vet(shared).name == "binocular"
    found = every_task(shared)
    loops = [task for task in found.values() if "parameterIterator" in task]
    assert [each["parameterIterator"]["items"]["raw"] for each in loops] == ["[0, 1, 2]"] * 2
    for name in ("examine", "ingest", "measure", "validate"):
        assert found[name]["inputs"]["parameters"]["shards"]["runtimeValue"]["constant"] == 3
        assert _is_cached(found[name]) == (name in {"measure", "validate"})


def test_the_executor_finds_every_step(shared: dict[str, Any]) -> None:
    config = configparser.ConfigParser()
    config.read(FOLDER / "kfp_config.ini")
    found = dict(config["Components"])
    for executor in shared["deploymentSpec"]["executors"].values():
        name = executor["container"]["args"][-1]
        assert f"def {name}(" in (FOLDER / found.pop(name)).read_text()
    assert found == {}


def test_no_module_of_a_step_hides_one_that_it_imports() -> None:
    """Kubeflow's executor puts the folder of a step in front of everything else on the path."""
    elsewhere = [path for path in sys.path if path and Path(path).resolve() != FOLDER.parent]
    for path in FOLDER.glob("*/*.py"):
        if not path.stem.startswith("__"):
            hidden = path.stem in sys.stdlib_module_names or PathFinder.find_spec(path.stem, elsewhere)
            assert not hidden, path
