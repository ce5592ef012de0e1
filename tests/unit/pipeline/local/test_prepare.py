"""From a step to its process and back."""

import json
from pathlib import Path
from typing import Any

import pytest

from binocular.errors import InvalidKeyError, RequestError, TaskError
from pipeline.local.artifacts import local_path, root_of
from pipeline.local.inputs import Data
from pipeline.local.plan import Step
from pipeline.local.prepare import LARGEST_OUTPUT_BYTES, executor_input, prepare, read_outputs
from tests.unit.pipeline.local.packages import package, step, task

OUTPUTS = {
    "n": {"parameterType": "NUMBER_INTEGER"},
    "list": {"parameterType": "LIST"},
    "text": {"parameterType": "STRING"},
}
DATASET = {"artifactType": {"schemaTitle": "system.Dataset"}}


@pytest.fixture
def made() -> Step:
    component = step("a", outputs=OUTPUTS)
    component["outputDefinitions"]["artifacts"] = {"data": DATASET}
    return Step("a", task("a"), component, Data({"text": "x"}), may_cache=True)


def told(made: Step, folder: Path, said: Any = None) -> dict[str, Any]:
    told = executor_input(made, "minio://b/run/a/1", folder)
    if said is not None:
        (folder / "executor_output.json").write_text(said if isinstance(said, str) else json.dumps(said))
    return told


def test_the_executor_is_told_inputs_and_where_outputs_go(made: Step, tmp_path: Path) -> None:
    found = told(made, tmp_path)

    assert found["inputs"] == {"parameterValues": {"text": "x"}}
    assert found["outputs"]["artifacts"]["data"]["artifacts"][0]["uri"] == "minio://b/run/a/1/data"
    assert found["outputs"]["parameters"]["n"]["outputFile"] == str(tmp_path / "outputs" / "n")


def test_outputs_come_from_the_executor_or_from_files(made: Step, tmp_path: Path) -> None:
    said = {
        "parameterValues": {"n": 3.0, "list": [1, "a"]},
        "artifacts": {"data": {"artifacts": [{"metadata": {"rows": 5}, "custom_path": "/elsewhere"}]}},
    }
    found = told(made, tmp_path, said)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "text").write_text("from a file")

    outputs, custom = read_outputs(made, found, succeeded=True)

    assert outputs.parameters == {"n": 3, "list": [1, "a"], "text": "from a file"}
    assert outputs.artifacts["data"][0]["metadata"] == {"rows": 5}
    assert custom == {"data": Path("/elsewhere")}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('{"artifacts": {"data": {"artifacts": [{"metadata": {"loss": NaN}}]}}}', "NaN or infinity"),
        ('{"parameterValues": {"n": "many"}}', "'many' is not a whole number"),
        ('{"parameterValues": {"n": NaN}}', "n"),
        ("[]", "no JSON object"),
        ("{", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"parameterValues": []}', "no JSON object"),
        ('{"artifacts": 3}', "no JSON object"),
        ('{"artifacts": {"data": []}}', "no JSON object"),
        ('{"artifacts": {"data": {"artifacts": []}}}', "no JSON object"),
        ('{"artifacts": {"data": {"artifacts": [{"metadata": 1}]}}}', "no JSON object"),
    ],
)
def test_outputs_that_no_backend_could_store_fail_the_step(
    made: Step, tmp_path: Path, said: str, message: str
) -> None:
    found = told(made, tmp_path, said)

    with pytest.raises(TaskError, match=message):
        read_outputs(made, found, succeeded=True)
    assert read_outputs(made, found, succeeded=False)[0].parameters == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [(b"\xff\xfe", "no text in UTF-8"), (bytes(LARGEST_OUTPUT_BYTES + 1), "write an artifact")],
)
def test_a_value_that_is_no_text_or_a_large_one_fails_the_step(
    made: Step, tmp_path: Path, value: bytes, message: str
) -> None:
    found = told(made, tmp_path)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "text").write_bytes(value)

    with pytest.raises(TaskError, match=message):
        read_outputs(made, found, succeeded=True)
    assert read_outputs(made, found, succeeded=False)[0].parameters == {}


def test_a_containerised_step_works_where_the_configuration_is_and_others_in_a_folder_of_their_own(
    tmp_path: Path,
) -> None:
    components = tmp_path / "components"
    containerised = [
        "python3",
        "-m",
        "kfp.dsl.executor_main",
        "--executor_input",
        "{{$}}",
        "--function_to_execute",
        "f",
    ]
    lightweight = [*containerised, "--component_module_path", "x.py"]
    made = package({"a": task("a"), "b": task("b")})
    for label, command in (("exec-a", containerised), ("exec-b", lightweight)):
        made.executors[label]["container"]["command"] = command
    folders = {}
    for name in ("a", "b"):
        component = made.component(made.root["dag"]["tasks"][name])
        one = Step(name, made.root["dag"]["tasks"][name], component, Data({"text": "x"}), may_cache=True)
        texts = {"folder": str(tmp_path)}
        folders[name] = prepare(made, one, told(one, tmp_path), texts, tmp_path / "scratch", components).folder

    assert folders == {"a": components, "b": tmp_path / "scratch" / "work"}


def test_uris_lead_into_the_runs_folder_and_nowhere_else(tmp_path: Path) -> None:
    assert local_path(tmp_path, "minio://b/a/c") == tmp_path / "minio" / "b" / "a" / "c"
    assert local_path(tmp_path, "/data/x") == Path("/data/x")
    for escaping in ("minio://b/../../etc/passwd", "s3://../x", "minio://b//x"):
        with pytest.raises(InvalidKeyError):
            local_path(tmp_path, escaping)


def test_a_root_must_be_in_our_store() -> None:
    assert root_of("", "ours") == "minio://ours/v2/artifacts"
    assert root_of("s3://ours/mine/", "ours") == "s3://ours/mine"
    for elsewhere in ("minio://theirs/x", "gs://ours/x", "/tmp/x", "minio://ours", "minio://oursnot/x"):  # noqa: S108
        with pytest.raises(RequestError, match="this machine's store"):
            root_of(elsewhere, "ours")
    with pytest.raises(InvalidKeyError):
        root_of("minio://ours/../x", "ours")
