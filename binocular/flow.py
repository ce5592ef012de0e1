"""The graph of a pipeline as a person draws it: its steps and which of them wait for which.

    flow = Flow.of(run.pipeline_spec)
    [(node.name, node.after) for node in flow.nodes]     # [("ingest", ()), ("validate", ("ingest",)), …]

A compiled package nests steps in groups: conditions, loops, pipelines inside pipelines. Here they are folded away.
What waits for a group waits for the steps that end it, and what a group waits for, its first steps wait for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self

Spec = Mapping[str, Any]  # a compiled package, or a part of one: whatever JSON holds

# More steps and groups than anybody draws: a package may come from anywhere, with groups that contain themselves.
DEEPEST, MOST_STEPS = 20, 2000
HTML = "system.HTML"
SUCCEEDED = "SUCCEEDED"
# The states in which a run or a step does not go on.
ENDED = frozenset({SUCCEEDED, "FAILED", "SKIPPED", "CANCELED"})
INTEGER = "NUMBER_INTEGER"


@dataclass(frozen=True)
class Node:
    """A step of a pipeline."""

    path: str  # group/…/step
    after: tuple[str, ...]  # the paths of the steps that it waits for, without those that these wait for
    pages: tuple[str, ...]  # the names of its artifacts that are pages for a person

    @property
    def name(self) -> str:
        """Its name in the group it is in."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Parameter:
    """An input of a pipeline."""

    name: str
    kind: str  # as the package says: STRING, NUMBER_INTEGER …
    default: Any  # None where there is none
    meaning: str


@dataclass(frozen=True)
class Flow:
    """A pipeline's steps, each behind those it waits for, its groups, and its parameters."""

    name: str
    meaning: str
    nodes: tuple[Node, ...]
    groups: frozenset[str]  # paths
    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, package: Spec | None) -> Self:
        """The flow of a compiled package, as a file or a run has it; of anything else, one without a step."""
        spec = _mapping(_mapping(package).get("pipeline_spec") or package)
        told = _mapping(spec.get("pipelineInfo"))
        root = _mapping(spec.get("root"))
        found = _Found(_mapping(spec.get("components")))
        found.walk(_mapping(_mapping(root.get("dag")).get("tasks")), "", ())
        return cls(
            str(told.get("name", "")),
            str(told.get("description", "")),
            found.ordered(),
            frozenset(found.groups),
            tuple(_parameters(root)),
        )

    def node(self, name: str) -> Node | None:
        """The step of a path, or of a name that only one has."""
        fitting = [node for node in self.nodes if name in {node.path, node.name}]
        exact = [node for node in fitting if node.path == name] or fitting
        return exact[0] if len(exact) == 1 else None


class _Found:
    """What a walk through the groups of a package has seen."""

    def __init__(self, components: Spec) -> None:
        self._components = components
        self._nodes: dict[str, Node] = {}
        self.groups: set[str] = set()

    def walk(self, tasks: Spec, above: str, first_after: tuple[str, ...]) -> tuple[str, ...]:
        """Take in the tasks of a group; the steps that end it."""
        waits = {
            name: [each for each in _upstream(_mapping(task)) if each in tasks] for name, task in tasks.items()
        }
        ends: dict[str, tuple[str, ...]] = {}
        for name in _sorted(waits):
            path = f"{above}/{name}" if above else name
            after = tuple(dict.fromkeys(end for each in waits[name] for end in ends.get(each, ())))
            ends[name] = self._task(path, _mapping(tasks[name]), after or first_after)
        waited_for = {each for names in waits.values() for each in names}
        return tuple(end for name in ends if name not in waited_for for end in ends[name])

    def _task(self, path: str, task: Spec, after: tuple[str, ...]) -> tuple[str, ...]:
        if len(self._nodes) + len(self.groups) >= MOST_STEPS:
            return after
        component = _mapping(self._components.get(str(_mapping(task.get("componentRef")).get("name"))))
        inside = _mapping(_mapping(component.get("dag")).get("tasks"))
        if inside and path.count("/") < DEEPEST:
            self.groups.add(path)
            return self.walk(inside, path, after) or after
        artifacts = _mapping(_mapping(component.get("outputDefinitions")).get("artifacts"))
        pages = [name for name, each in artifacts.items() if _schema(_mapping(each)) == HTML]
        self._nodes[path] = Node(path, after, tuple(sorted(pages)))
        return (path,)

    def ordered(self) -> tuple[Node, ...]:
        """The steps, each behind those it waits for, and no edge that others say already."""
        before: dict[str, set[str]] = {}  # everything that a step waits for, near and far
        nodes = []
        for path in _sorted({path: list(node.after) for path, node in self._nodes.items()}):
            node = self._nodes[path]
            before[path] = {*node.after, *(far for near in node.after for far in before.get(near, ()))}
            said = {far for near in node.after for far in before.get(near, ())}
            nodes.append(replace(node, after=tuple(near for near in node.after if near not in said)))
        return tuple(nodes)


def _sorted(waits: Mapping[str, list[str]]) -> list[str]:
    """Each behind those it waits for; as they came where they wait in a circle, which no Kubeflow takes."""
    try:
        return list(TopologicalSorter({name: waits[name] for name in sorted(waits)}).static_order())
    except CycleError:
        return sorted(waits)


def _upstream(task: Spec) -> Iterator[str]:
    """The tasks beside it that a task waits for."""
    yield from map(str, task.get("dependentTasks") or [])
    inputs = _mapping(task.get("inputs"))
    for each in (*_mapping(inputs.get("parameters")).values(), *_mapping(inputs.get("artifacts")).values()):
        for kind in ("taskOutputParameter", "taskOutputArtifact", "taskFinalStatus"):
            if producer := _mapping(_mapping(each).get(kind)).get("producerTask"):
                yield str(producer)


def _parameters(root: Spec) -> Iterator[Parameter]:
    for name, each in _mapping(_mapping(root.get("inputDefinitions")).get("parameters")).items():
        told = _mapping(each)
        kind, meaning = str(told.get("parameterType", "")), str(told.get("description", ""))
        yield Parameter(name, kind, _whole(told.get("defaultValue"), kind), meaning)


def _whole(value: Any, kind: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """A whole number as one: a package writes 32 as 32.0."""
    return int(value) if kind == INTEGER and isinstance(value, float) and value.is_integer() else value


def _schema(artifact: Spec) -> str:
    return str(_mapping(artifact.get("artifactType")).get("schemaTitle", ""))


def _mapping(value: object) -> Spec:
    return value if isinstance(value, Mapping) else {}
