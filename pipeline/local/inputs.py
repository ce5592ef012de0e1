"""What a task is given: parameters and artifacts from constants, from its graph's inputs, from tasks before it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from binocular.errors import RequestError
from pipeline.local.graph import artifacts_in, iterator, parameters_in
from pipeline.local.placeholders import Context, resolve
from pipeline.local.values import Json, Value, coerce, normal

_KEY = re.compile(r"\[(?:\"([^\"]*)\"|'([^']*)')\]")
FINAL_STATUS = "TASK_FINAL_STATUS"


@dataclass(frozen=True)
class Data:
    """What goes into a task or comes out of it: values by name, and lists of artifacts by name."""

    parameters: Json = field(default_factory=dict)
    artifacts: dict[str, list[Json]] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What is known about a task beside this one."""

    state: str
    outputs: Data = field(default_factory=Data)
    error: str = ""


class MissingError(RequestError):
    """An input that nothing has a value for, because what would have made it did not run."""


def of_run(component: Json, given: Json) -> Data:
    """A run's parameters: what was given and the defaults; RequestError for what is unknown, missing or wrong."""
    defined = component.get("inputDefinitions", {}).get("parameters", {})
    if component.get("inputDefinitions", {}).get("artifacts"):
        raise RequestError("the pipeline takes artifacts as inputs; a run can only be given parameters")
    if unknown := sorted(set(given) - set(defined)):
        raise RequestError(f"parameter {unknown[0]!r} is unknown; there are: {', '.join(defined) or 'none'}")
    return _complete(component, {key: value for key, value in given.items() if value is not None}, {}, "the run")


def of_task(
    task: Json, component: Json, scope: Data, beside: Mapping[str, Result], texts: Mapping[str, str]
) -> Data:
    """The inputs of a task whose upstream tasks have ended; RequestError where a needed one has no value.

    `texts` is what placeholders tell about the run and the task.
    """
    parameters: Json = {}
    for key, source in parameters_in(task).items():
        value = _parameter(source, scope, beside, texts)
        if value is not None:
            parameters[key] = value
    context = Context({"inputs": {"parameterValues": parameters}}, texts)
    for key, source in parameters_in(task).items():
        if isinstance(source.get("runtimeValue", {}).get("constant"), str):
            parameters[key] = resolve(parameters[key], context)
    artifacts = {}
    for key, source in artifacts_in(task).items():
        found = _artifacts(source, scope, beside)
        if found is not None:
            artifacts[key] = found
    each = (iterator(task) or {}).get("itemInput", "")  # what a loop puts in by itself
    return _complete(component, parameters, artifacts, f"task {texts['task_name']}", each)


def _parameter(source: Json, scope: Data, beside: Mapping[str, Result], texts: Mapping[str, str]) -> Value:
    """One value, or None where there is none."""
    if taken := source.get("taskOutputParameter"):
        value = beside[taken["producerTask"]].outputs.parameters.get(taken["outputParameterKey"])
    elif "componentInputParameter" in source:
        value = scope.parameters.get(source["componentInputParameter"])
    elif taken := source.get("taskFinalStatus"):
        value = _final_status(taken["producerTask"], beside[taken["producerTask"]], texts)
    else:
        constant = source.get("runtimeValue", {})
        value = normal(constant.get("constant", next(iter(constant.get("constantValue", {}).values()), None)))
    selector = source.get("parameterExpressionSelector")
    return _selected(value, selector) if selector and value is not None else value


def _selected(value: Value, selector: str) -> Value:
    """What `parseJson(string_value)["a"]["b"]` finds in a value."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        found = None
    for match in _KEY.finditer(selector):
        key = match[1] if match[1] is not None else match[2]
        if not isinstance(found, dict) or key not in found:
            raise RequestError(f"there is no {key!r} in {str(value)[:100]}")
        found = found[key]
    return found


def _final_status(name: str, result: Result, texts: Mapping[str, str]) -> Json:
    """How the tasks that an exit handler guards have ended."""
    failed = result.state != "SUCCEEDED"
    return {
        "state": "FAILED" if failed else "SUCCEEDED",
        "pipelineJobResourceName": texts.get("job_resource_name", ""),
        "pipelineTaskName": name,
        "error": {"code": 13, "message": result.error} if failed else {},
    }


def _artifacts(source: Json, scope: Data, beside: Mapping[str, Result]) -> list[Json] | None:
    if taken := source.get("taskOutputArtifact"):
        return beside[taken["producerTask"]].outputs.artifacts.get(taken["outputArtifactKey"])
    return scope.artifacts.get(source.get("componentInputArtifact", ""))


def _complete(
    component: Json, parameters: Json, artifacts: dict[str, list[Json]], whose: str, later: str = ""
) -> Data:
    """Values as their declared types, defaults filled in; RequestError for what is missing."""
    defined = component.get("inputDefinitions", {})
    taken = dict(parameters)  # f-strings bring values along that the component itself does not know
    for key, definition in defined.get("parameters", {}).items():
        value = parameters.get(key, definition.get("defaultValue"))
        if value is not None:
            kind = definition["parameterType"]
            taken[key] = value if kind == FINAL_STATUS else coerce(value, kind, f"{whose}: {key}")
            _check_literals(definition, taken[key], f"{whose}: {key}")
        elif not definition.get("isOptional") and key != later:
            raise MissingError(f"{whose}: there is no value for {key}")
    for key, definition in defined.get("artifacts", {}).items():
        if key not in artifacts and not definition.get("isOptional") and key != later:
            raise MissingError(f"{whose}: there is no artifact for {key}")
    return Data(taken, artifacts)


def _check_literals(definition: Json, value: Value, where: str) -> None:
    allowed = normal(definition.get("literals", []))
    if allowed and value not in allowed:
        raise RequestError(f"{where}: {value!r} is none of {', '.join(map(repr, allowed))}")
