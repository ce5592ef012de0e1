"""Placeholders in commands and constants: `{{$.inputs.parameters['n']}}` and its kin.

    resolve("n={{$.inputs.parameters['n']}}", context)      # "n=3"
    resolve_command(['{"IfPresent": {"InputName": "n", "Then": ["--n", "…"]}}'], context)   # ["--n", …] or []

Each text is gone through once: a value that itself looks like a placeholder stays as it is.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from binocular.errors import PackageError, RequestError
from pipeline.local.values import Json, Value, as_text

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}", re.DOTALL)
_QUOTED = r"\[\s*(?:''|'|\")(?P<key>[^'\"\]]+)(?:''|'|\")\s*\]"
_PARAMETER = re.compile(rf"\.inputs\.parameters{_QUOTED}")
_OUTPUT_PARAMETER = re.compile(rf"\.outputs\.parameters{_QUOTED}\.output_file")
_ARTIFACT = re.compile(
    rf"\.(?P<side>inputs|outputs)\.artifacts{_QUOTED}"
    r"(?:\.(?P<field>uri|path|name|metadata)(?:\[\s*(?:''|'|\")(?P<item>[^'\"\]]+)(?:''|'|\")\s*\])?)?"
)
_STRUCTURES = ('{"Concat": ', '{"IfPresent": ')
SIMPLE = {
    "": "executor_input",
    ".outputs.output_file": "output_file",
    ".outputMetadataUri": "output_file",
    ".pipeline_job_name": "job_name",
    ".pipeline_job_resource_name": "job_resource_name",
    ".pipeline_job_uuid": "job_id",
    ".pipeline_task_name": "task_name",
    ".pipeline_task_uuid": "task_id",
    ".pipeline_root": "root",
    ".pipeline_job_create_time_utc": "created",
    ".pipeline_job_schedule_time_utc": "scheduled",
}


@dataclass(frozen=True)
class Context:
    """What placeholders may speak of: the inputs, and, where a command is resolved, everything else."""

    executor_input: Json
    texts: Mapping[str, str] = field(default_factory=dict)
    path_of: Callable[[str], str] = str  # where the bytes of an artifact's URI lie on this machine

    @property
    def parameters(self) -> Json:
        """The input parameters."""
        return dict(self.executor_input.get("inputs", {}).get("parameterValues", {}))

    def artifact(self, side: str, key: str) -> Json | None:
        """The first artifact of an input or output."""
        listed = self.executor_input.get(side, {}).get("artifacts", {}).get(key, {}).get("artifacts", [])
        return dict(listed[0]) if listed else None


def known(text: str) -> Iterator[str]:
    """Every placeholder in a text; PackageError for the first that nobody resolves."""
    for match in _PLACEHOLDER.finditer(text):
        inside = match.group(1)
        patterns = (_PARAMETER, _OUTPUT_PARAMETER, _ARTIFACT)
        if inside not in SIMPLE and not any(pattern.fullmatch(inside) for pattern in patterns):
            raise PackageError(f"placeholder {match.group()} is not supported on one machine")
        yield inside


def resolve(text: str, context: Context) -> str:
    """The text with every placeholder replaced by what it stands for."""
    return _PLACEHOLDER.sub(lambda match: _one(match.group(1), context), text)


def resolve_command(parts: Iterable[str], context: Context) -> list[str]:
    """The parts of a command, structures such as IfPresent unfolded first."""
    return [resolve(text, context) for part in parts for text in _unfold(part, context)]


def structures(part: str) -> Iterator[str]:
    """Every text inside a part of a command, whether it would be used or not."""
    if part.startswith(_STRUCTURES):
        yield from _texts(_loaded(part))
    else:
        yield part


def _one(inside: str, context: Context) -> str:
    if inside in SIMPLE:
        name = SIMPLE[inside]
        if name == "executor_input":
            return json.dumps(context.executor_input)
        return context.texts.get(name, "")
    if match := _PARAMETER.fullmatch(inside):
        return as_text(context.parameters.get(match["key"]))
    if match := _OUTPUT_PARAMETER.fullmatch(inside):
        outputs = context.executor_input.get("outputs", {}).get("parameters", {})
        if match["key"] not in outputs:
            raise RequestError(f"there is no output parameter {match['key']}")
        return str(outputs[match["key"]]["outputFile"])
    if match := _ARTIFACT.fullmatch(inside):
        return _of_artifact(match, context)
    raise RequestError(f"placeholder {{{{${inside}}}}} is not supported on one machine")


def _of_artifact(match: re.Match[str], context: Context) -> str:
    artifact = context.artifact(match["side"], match["key"])
    if artifact is None:
        return "null"  # as for a parameter that was not given
    if match["field"] is None:
        return json.dumps(artifact)
    if match["field"] == "path":
        return context.path_of(str(artifact["uri"]))
    value = artifact.get(match["field"], {})
    return as_text(value.get(match["item"]) if match["item"] else value)


def _loaded(part: str) -> Value:
    try:
        return json.loads(part)
    except ValueError:
        raise PackageError(f"{part[:100]}: not a structure of placeholders") from None


def _texts(node: Value) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for each in node:
            yield from _texts(each)
    elif isinstance(node, dict) and set(node) == {"Concat"}:
        yield from _texts(node["Concat"])
    elif isinstance(node, dict) and set(node) == {"IfPresent"} and isinstance(node["IfPresent"], dict):
        yield from _texts([node["IfPresent"].get("Then", []), node["IfPresent"].get("Else", [])])
    else:
        raise PackageError(f"{str(node)[:100]}: not a structure of placeholders")


def _unfold(part: str, context: Context) -> list[str]:
    return _flat(_loaded(part), context) if part.startswith(_STRUCTURES) else [part]


def _flat(node: Value, context: Context) -> list[str]:
    """The texts that a structure comes to; an IfPresent without its input comes to its Else, or to nothing."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, list):
        return [text for each in node for text in _flat(each, context)]
    if "Concat" in node:
        return ["".join(_flat(node["Concat"], context))]
    choice = node["IfPresent"]
    name = choice["InputName"]
    present = context.parameters.get(name) is not None or context.artifact("inputs", name) is not None
    return _flat(choice.get("Then" if present else "Else") or [], context)
