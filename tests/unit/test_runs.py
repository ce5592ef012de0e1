"""Runs as a person looks at them, from what kfp's client hands over."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import kfp_server_api as api
import pytest

from binocular.cli_runs import _failure
from binocular.errors import IntegrityError, NotFoundError, RequestError
from binocular.logs import said as said_in
from binocular.runs import chosen, steps, typed

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def task(
    number: str, name: str, parent: str = "", state: str = "SUCCEEDED", at: str = "", **more: object
) -> object:
    times = {"start_time": START, "end_time": START + timedelta(seconds=5)}
    return api.V2beta1PipelineTaskDetail(
        task_id=number, display_name=name, pod_name=at or f"path/{name}", parent_task_id=parent or None,
        state=state, **times, **more,
    )  # fmt: skip


def run(*tasks: object, state: str = "FAILED", package: object = None) -> object:
    details = api.V2beta1RunDetails(task_details=list(tasks)) if tasks else None
    return api.V2beta1Run(run_id="r", state=state, run_details=details, pipeline_spec=package)


def test_each_task_stands_behind_the_group_it_is_in() -> None:
    found = steps(run(task("2", "child", "1"), task("1", "group"), task("4", "lost", "gone"), task("3", "last")))

    assert [(step.name, step.is_group) for step in found] == [
        ("group", True),
        ("child", False),
        ("lost", False),
        ("last", False),
    ]
    assert found[1].took == timedelta(seconds=5)
    assert steps(run()) == []


def test_a_step_is_found_by_name_or_path() -> None:
    found = steps(run(task("1", "train"), task("2", "export")))

    assert chosen(found, "train").name == chosen(found, "path/train").name == "train"
    with pytest.raises(NotFoundError, match="no steps are called 'x'; there are: path/train, path/export"):
        chosen(found, "x")
    twice = steps(run(task("1", "train"), task("2", "train")))
    with pytest.raises(NotFoundError, match="2 steps are called 'train'"):
        chosen(twice, "train")


def test_a_step_is_called_by_its_name_and_its_groups_are_not_named_unless_that_takes_them() -> None:
    package = {
        "components": {"comp-loop": {"dag": {"tasks": {"train": {}, "score": {}}}}},
        "root": {"dag": {"tasks": {"loop": {"componentRef": {"name": "comp-loop"}}, "export": {}, "score": {}}}},
    }
    told = run(
        task("1", "export", at="condition-1/condition-2/export"),
        task("2", "train", at="loop/0/train"),
        task("3", "score", at="score"),
        task("4", "not-of-the-package", at="pod-x1"),
        package=package,
    )

    assert [step.called for step in steps(told)] == ["export", "loop/0/train", "score", "pod-x1"]


def test_a_failure_names_the_step_and_not_the_group_around_it() -> None:
    error = api.GoogleRpcStatus(message="ended with exit code 1\nlast line")
    detail = api.V2beta1PipelineTaskExecutorDetail(main_job="minio://b/log")
    failed = run(
        task("1", "group", state="FAILED"),
        task("2", "train", "1", state="FAILED", error=error, executor_detail=detail),
    )

    assert _failure(failed) == (
        "train failed: ended with exit code 1\nlast line\n"
        "the whole log: `binocular runs r --logs path/train` (minio://b/log)"
    )
    assert _failure(run(task("1", "a"), state="SUCCEEDED")) == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-01-31T12:00:00.000+00:00 INFO    epoch 7 loss=0.5", "epoch 7 loss=0.5"),
        ('{"time": "t", "level": "info", "logger": "x", "event": "epoch", "loss": 0.5}', "epoch loss=0.5"),
        ("plain words INFO here", "plain words INFO here"),
        ("{broken", "{broken"),
        ("[1]", "[1]"),
        ("", ""),
    ],
)
def test_a_line_is_shown_without_its_frame(line: str, said: str) -> None:
    assert said_in(line) == said


def test_parameters_are_read_as_the_package_wants_them(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    kinds = {"text": "STRING", "n": "NUMBER_INTEGER", "flag": "BOOLEAN", "list": "LIST"}
    inputs = "".join(f"      {name}: {{parameterType: {kind}}}\n" for name, kind in kinds.items())
    path.write_text(f"root:\n  inputDefinitions:\n    parameters:\n{inputs}")

    given = {"text": "1", "n": "1", "flag": "true", "list": "[1, 2]", "unknown": "1"}

    assert typed(path, given) == {"text": "1", "n": 1, "flag": True, "list": [1, 2], "unknown": "1"}
    assert typed(path, {"n": "many"}) == {"n": "many"}  # the API says what is wrong with it
    for wrong in ("- a list", "a: [", ""):
        path.write_text(wrong)
        with pytest.raises(RequestError, match="not a compiled pipeline"):
            typed(path, {})


def test_a_value_that_is_none_of_the_choices_is_refused_before_anything_runs(tmp_path: Path) -> None:
    inputs = "root:\n  inputDefinitions:\n    parameters:\n      quantization: {parameterType: STRING}\n"
    (tmp_path / "p.yaml").write_text(inputs)
    (tmp_path / "p.form.json").write_text('{"quantization": {"group": "Serving", "choices": ["none", "int8"]}}')

    assert typed(tmp_path / "p.yaml", {"quantization": "int8"}) == {"quantization": "int8"}
    with pytest.raises(RequestError, match="parameter quantization is 'int4'; it must be one of none, int8"):
        typed(tmp_path / "p.yaml", {"quantization": "int4"})
    (tmp_path / "p.form.json").write_text("[")
    with pytest.raises(IntegrityError, match=r"p\.form\.json is damaged: compile the pipeline again"):
        typed(tmp_path / "p.yaml", {})
