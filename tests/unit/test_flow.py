"""The graph of a pipeline as a person draws it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from binocular.flow import MOST_STEPS, Flow
from pipeline import PACKAGE


def package(tasks: dict[str, Any], **components: Any) -> dict[str, Any]:
    leaf = {"executorLabel": "e"}
    return {"root": {"dag": {"tasks": tasks}}, "components": {"leaf": leaf, **components}}


def task(*after: str, component: str = "leaf") -> dict[str, Any]:
    return {"componentRef": {"name": component}, "dependentTasks": list(after)}


def group(**tasks: Any) -> dict[str, Any]:
    return {"dag": {"tasks": tasks}}


def edges(found: Flow) -> dict[str, tuple[str, ...]]:
    return {node.path: node.after for node in found.nodes}


def test_our_own_pipeline_reads_as_it_is_told() -> None:
    flow = Flow.of(next(yaml.safe_load_all(Path(PACKAGE).read_text())))
    assert flow.name == "binocular"
    names = {node.path: node.name for node in flow.nodes}
    assert [(node.name, tuple(names[path] for path in node.after)) for node in flow.nodes] == [
        ("ingest", ()),
        ("validate", ("ingest",)),
        ("train", ("validate",)),
        ("evaluate", ("train",)),
        ("export", ("evaluate",)),
        ("record-rejection", ("evaluate",)),
    ]
    assert {node.name: node.pages for node in flow.nodes if node.pages} == {
        "validate": ("report",),
        "train": ("curves",),
        "evaluate": ("report",),
    }
    epochs = next(each for each in flow.parameters if each.name == "epochs")
    assert (epochs.kind, epochs.default, type(epochs.default)) == ("NUMBER_INTEGER", 0, int)


def test_what_waits_for_a_group_waits_for_the_steps_that_end_it() -> None:
    inner = group(b=task(), c=task("b"), d=task("b"))
    found = Flow.of(package({"a": task(), "g": task("a", component="inner"), "z": task("g")}, inner=inner))
    assert edges(found) == {"a": (), "g/b": ("a",), "g/c": ("g/b",), "g/d": ("g/b",), "z": ("g/c", "g/d")}
    assert found.groups == {"g"}


def test_an_edge_that_others_say_already_is_not_drawn() -> None:
    found = Flow.of(package({"a": task(), "b": task("a"), "c": task("a", "b"), "d": task("a", "b", "c")}))
    assert edges(found) == {"a": (), "b": ("a",), "c": ("b",), "d": ("c",)}


def test_a_step_is_found_by_its_path_and_by_a_name_that_only_one_has() -> None:
    found = Flow.of(package({"g": task(component="inner"), "a": task()}, inner=group(a=task(), b=task())))
    assert [each.path for each in (found.node("g/a"), found.node("a"), found.node("b")) if each] == [
        "g/a",
        "a",
        "g/b",
    ]
    assert found.node("x") is None


@pytest.mark.parametrize(
    "wrong",
    [
        None, {}, [], "text", {"root": []}, {"root": {"dag": {"tasks": {"a": None}}}}, {"pipeline_spec": 1},
        package({"a": task("a")}), package({"a": task("b"), "b": task("a")}), package({"a": task("nobody")}),
        package({"a": {"componentRef": {"name": "missing"}}}),
    ],
)  # fmt: skip
def test_what_is_no_package_has_few_steps_and_no_error(wrong: Any) -> None:
    assert len(Flow.of(wrong).nodes) <= 2


def test_a_group_that_contains_itself_ends() -> None:
    again = group(**{f"t{n}": task(component="again") for n in range(5)})  # five to the power of the depth
    flow = Flow.of(package({"a": task(component="again")}, again=again))
    assert len(flow.nodes) + len(flow.groups) <= MOST_STEPS
