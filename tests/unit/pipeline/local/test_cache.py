"""What a step's fingerprint sees and what it does not."""

from typing import Any

import pytest

from pipeline.local.cache import fingerprint
from pipeline.local.inputs import Data
from pipeline.local.package import vet
from pipeline.local.plan import Step
from tests.unit.pipeline.local.packages import document, step, task, text

OUTPUT = {"data": {"artifactType": {"schemaTitle": "system.Dataset"}}}


def of(*, name: str = "made", image: str = "i", command: str = "true", env: str = "", value: Any = "x",
       uri: str = "minio://b/k", metadata: int = 1, kind: str = "STRING", key: str = "", may_cache: bool = True,
       extra: str = "") -> str | None:  # fmt: skip
    component = step("a", {"text": {"parameterType": kind}}, text("Output"))
    component["outputDefinitions"]["artifacts"] = OUTPUT
    made = document({"a": task("a", cachingOptions={"enableCache": True, "cacheKey": key})}, {"a": component})
    made["pipelineInfo"]["name"] = name
    container = {"image": image, "command": [command], "env": [{"name": "E", "value": env}]}
    made["deploymentSpec"]["executors"]["exec-a"] = {"container": container}
    package = vet(made)
    artifact = {"name": "d", "uri": uri, "metadata": {"size": metadata}}
    inputs = Data({"text": value, "pipelinechannel--other": extra}, {"in": [artifact]})
    one = package.root["dag"]["tasks"]["a"]
    return fingerprint(package, Step("a", one, package.component(one), inputs, may_cache))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"image": "j"},
        {"command": "false"},
        {"env": "1"},
        {"value": "y"},
        {"uri": "minio://b/l"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_makes_another_result_makes_another_fingerprint(change: dict[str, Any]) -> None:
    assert of(**change) != of()


def test_what_makes_none_does_not() -> None:
    assert of(metadata=2, extra="brought along by an f-string") == of()
    assert of(value=1.0, kind="NUMBER_INTEGER") == of(value=1, kind="NUMBER_INTEGER")


def test_a_key_of_ones_own_stands_for_everything() -> None:
    assert of(key="k", value="y", command="false") == of(key="k") != of(key="l")


def test_there_is_none_where_caching_is_off() -> None:
    assert of(may_cache=False) is None
