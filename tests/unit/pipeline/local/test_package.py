"""What is taken as a pipeline, and what is refused by name before anything runs."""

import copy
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from binocular.errors import PackageError
from pipeline.local.package import read, vet
from tests.unit.pipeline.local.packages import dag, document, from_task, step, task, text

PLAIN = document({"a": task("a"), "b": {**task("b", "a"), "inputs": from_task("a")}})
YAML = yaml.safe_dump(PLAIN).encode()


def with_platform(settings: dict[str, Any]) -> dict[str, Any]:
    kubernetes = {"deploymentSpec": {"executors": {"exec-a": settings}}}
    return {"pipeline_spec": PLAIN, "platform_spec": {"platforms": {"kubernetes": kubernetes}}}


def test_a_package_is_read_from_yaml_zip_and_tar() -> None:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("some/name.yaml", YAML)
    with tarfile.open(fileobj=tarred, mode="w:gz") as packed:
        entry = tarfile.TarInfo("pipeline.yaml")
        entry.size = len(YAML)
        packed.addfile(entry, io.BytesIO(YAML))

    for data in (YAML, zipped.getvalue(), tarred.getvalue()):
        assert read(data, "package").name == "made"


@pytest.mark.parametrize(("place", "value"), [(45, 0), (6, 1), (8, 99)], ids=["damaged", "encrypted", "unknown"])
def test_an_archive_that_cannot_be_read_is_refused(place: int, value: int) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pipeline.yaml", YAML)
    data = bytearray(zipped.getvalue())
    data[place] = value
    if place < 30:  # a flag or the method, which the list of members repeats
        data[data.index(b"PK\x01\x02") + place + 2] = value

    with pytest.raises(PackageError, match="damaged archive"):
        read(bytes(data), "p.zip")


def test_a_second_document_holds_what_a_cluster_is_told() -> None:
    settings = {
        "secretAsEnv": [{"secretName": "s", "keyToEnv": [{"secretKey": "k", "envVar": "E"}]}],
        "configMapAsEnv": [{"configMapName": "c", "keyToEnv": [{"configMapKey": "k", "envVar": "F"}]}],
        "nodeSelector": {"labels": {"gpu": "yes"}},
        "tolerations": [{"key": "gpu"}],
        "podMetadata": {"labels": {"a": "b"}},
        "imagePullPolicy": "Always",
        "activeDeadlineSeconds": "5",
    }
    second = yaml.safe_dump({"platforms": with_platform(settings)["platform_spec"]["platforms"]}).encode()

    package = read(YAML + b"---\n" + second, "p.yaml")

    assert package.platform({"executorLabel": "exec-a"})["activeDeadlineSeconds"] == "5"
    assert set(package.document) == {"pipeline_spec", "platform_spec"}


@pytest.mark.parametrize(
    "settings",
    [
        {"pvcMount": [{"constant": "claim", "mountPath": "/data"}]},
        {"secretAsVolume": [{"secretName": "s", "mountPath": "/s"}]},
        {"configMapAsVolume": [{"configMapName": "s", "mountPath": "/s"}]},
        {"emptyDirMounts": [{"volumeName": "v", "mountPath": "/v"}]},
        {"genericEphemeralVolume": [{"volumeName": "v", "mountPath": "/v"}]},
        {"fieldPathAsEnv": [{"name": "N", "fieldPath": "metadata.name"}]},
        {"somethingNew": 1},
    ],
)
def test_kubernetes_settings_that_would_change_what_a_step_does(settings: dict[str, Any]) -> None:
    with pytest.raises(PackageError, match=f"exec-a: kubernetes {next(iter(settings))} is not supported"):
        vet(with_platform(settings))


def change(where: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Put a value at a path of a document."""

    def apply(made: dict[str, Any]) -> None:
        if where.startswith("components/comp-a/dag"):
            del made["components"]["comp-a"]["executorLabel"]
        *path, last = where.split("/")
        for key in path:
            made = made.setdefault(key, {})
        if value is None:
            del made[last]
        else:
            made[last] = value

    return apply


TASKS = "root/dag/tasks"
EXECUTOR = "deploymentSpec/executors/exec-a"


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("schemaVersion", "1.0", "compile with kfp 2"),
        ("root", {"executorLabel": "exec-a"}, "root has no dag"),
        ("pipelineInfo/name", "../up", "pipelineInfo.name"),
        ("pipelineInfo/name", "a/b", "pipelineInfo.name"),
        ("surprise", 1, "surprise"),
        (f"{TASKS}/a/componentRef/name", "comp-none", "no component 'comp-none'"),
        (f"{TASKS}/a/dependentTasks", ["none"], "no task 'none'"),
        (f"{TASKS}/a/dependentTasks", ["b"], "wait for each other"),
        (f"{TASKS}/b/inputs", from_task("none"), "no task 'none'"),
        (f"{TASKS}/b/inputs", from_task("a", "other"), "no task 'a' has an output 'other'"),
        (f"{TASKS}/x/y", task("a"), "not a compiled pipeline"),
        (f"{TASKS}/a/triggerPolicy", {"condition": "os.system('x')"}, "condition"),
        (f"{TASKS}/a/triggerPolicy", {"condition": "inputs.parameter_values['z'] == 1"}, "asks for 'z'"),
        (f"{TASKS}/a/inputs", {"parameters": {"text": {"componentInputParameter": "z"}}}, "no parameter 'z'"),
        (f"{TASKS}/a/inputs", {"artifacts": {"d": {"componentInputArtifact": "z"}}}, "no artifact 'z'"),
        (f"{TASKS}/a/inputs", {"parameters": {"text": {"runtimeValue": {"constant": "{{$.workspace_path}}"}}}},
         "workspace_path"),
        (f"{TASKS}/a/inputs/parameters/text/parameterExpressionSelector", "eval(x)", "expression 'eval"),
        ("components/comp-a/executorLabel", "exec-none", "no executor 'exec-none'"),
        ("components/comp-a/inputDefinitions/parameters/text/parameterType", "TASK_CONFIG", "TASK_CONFIG"),
        ("components/comp-a/dag/tasks/a", task("a"), "contains itself"),
        ("components/comp-a/dag/tasks", {}, "without tasks"),
        (f"{TASKS}/a/parameterIterator", {"itemInput": "text"}, "a loop without its items"),
        (f"{TASKS}/a/parameterIterator", {"items": {"raw": "[]"}, "itemInput": "z"}, "that takes none"),
        (EXECUTOR, {"resolver": {"outputArtifactQueries": {}}}, "resolver is not supported"),
        (EXECUTOR, {"customJob": {"customJob": {}}}, "customJob is not supported"),
        (EXECUTOR, {"importer": {"downloadToWorkspace": True}}, "download_to_workspace"),
        (EXECUTOR, {"container": {"image": "argostub/createpvc", "command": ["x"]}}, "argostub/createpvc"),
        (EXECUTOR, {"container": {"image": "busybox"}}, "names no command"),
        (f"{EXECUTOR}/container/lifecycle", {"preCacheCheck": {}}, "lifecycle"),
        (EXECUTOR, {"container": {"image": "i", "command": ["{{$.nothing}}"]}}, "nothing"),
        (EXECUTOR, {"container": {"image": "i", "command": ['{"IfPresent": 5}']}}, "structure"),
        (EXECUTOR, {"container": {"image": "i", "command": ['{"Concat": {"a']}}, "structure"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_not_supported_is_named(where: str, value: Any, message: str) -> None:
    made = copy.deepcopy(PLAIN)
    change(where, value)(made)

    with pytest.raises(PackageError) as caught:
        vet(made)
    assert message in str(caught.value)


def test_settings_of_the_run_that_matter_are_refused() -> None:
    for config, message in [
        ({"workspace": {"size": "1Gi"}}, "workspace"),
        ({"activeDeadlineSeconds": 5}, "active"),
    ]:
        platform = {"platforms": {"kubernetes": {"pipelineConfig": config}}}
        with pytest.raises(PackageError, match=f"PipelineConfig {message}"):
            vet({"pipeline_spec": PLAIN, "platform_spec": platform})
    lasting = {"platforms": {"kubernetes": {"pipelineConfig": {"resourceTtlOnCompletion": 5}}}}
    assert vet({"pipeline_spec": PLAIN, "platform_spec": lasting}).name == "made"


def test_a_pipeline_that_grows_by_doubling_is_refused_at_once() -> None:
    components = {f"c{n}": dag({"x": task(f"c{n + 1}"), "y": task(f"c{n + 1}")}) for n in range(40)}
    components = {
        name: {**value, "inputDefinitions": {"parameters": text("text")}} for name, value in components.items()
    }
    components["c40"] = step("c40")

    with pytest.raises(PackageError, match="more than 10000 tasks"):
        vet(document({"a": task("c0")}, components))


def test_nesting_without_end_is_refused() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = {"k": deep}
    made = copy.deepcopy(PLAIN)
    made["deploymentSpec"]["executors"]["exec-a"]["x"] = deep

    with pytest.raises(PackageError):
        vet(made)
    with pytest.raises(PackageError, match="nested more than"):
        read(b"a: " + b"{a: " * 1_000 + b"}" * 1_000, "p.yaml")


def test_every_reading_of_noise_is_an_error_of_ours() -> None:
    import random  # noqa: PLC0415

    chance = random.Random(5)
    for _ in range(300):
        data = bytearray(YAML)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read(bytes(data), "p.yaml")
        except PackageError:
            continue


def test_every_change_of_the_json_is_taken_or_an_error_of_ours() -> None:
    import random  # noqa: PLC0415

    chance = random.Random(7)
    odd = [None, 1, "", "x", [], {}, [None], {"a": None}, True, -1.5, "{{$", {"name": 5}]

    def disturb(node: Any) -> Any:
        if chance.random() < 0.02:
            return chance.choice(odd)
        if isinstance(node, dict):
            return {key: disturb(value) for key, value in node.items()}
        return [disturb(value) for value in node] if isinstance(node, list) else node

    for _ in range(1_000):
        made = disturb(json.loads(json.dumps(PLAIN)))
        if isinstance(made, dict):
            try:
                vet(made)
            except PackageError:
                continue
