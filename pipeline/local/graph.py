"""The shape of a pipeline: which task waits for which, and whether every reference leads somewhere."""

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from binocular.errors import PackageError
from pipeline.local import conditions, placeholders
from pipeline.local.values import Json

MOST_TASKS = 10_000
SELECTOR = re.compile(r"parseJson\(string_value\)(?:\[(?:\"[^\"]*\"|'[^']*')\])+")
KINDS = {"STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "LIST", "STRUCT", "TASK_FINAL_STATUS"}


def parameters_in(task: Json) -> dict[str, Json]:
    """How each parameter of a task gets its value."""
    return dict(task.get("inputs", {}).get("parameters", {}))


def artifacts_in(task: Json) -> dict[str, Json]:
    """Where each artifact of a task comes from."""
    return dict(task.get("inputs", {}).get("artifacts", {}))


def upstream(task: Json) -> set[str]:
    """The tasks beside it that a task waits for."""
    return {*task.get("dependentTasks", []), *(name for name, _, _ in _producers(task))}


def ordered(tasks: dict[str, Json]) -> list[str]:
    """The tasks of a graph, each behind those it waits for."""
    return list(
        TopologicalSorter({name: sorted(upstream(task)) for name, task in sorted(tasks.items())}).static_order()
    )


def iterator(task: Json) -> Json | None:
    """How a task is repeated for the items of a list, or None."""
    found = task.get("parameterIterator") or task.get("artifactIterator")
    return dict(found) if found else None


def vet(spec: Json, executors: dict[str, Json]) -> None:
    """Refuse a pipeline with a reference that leads nowhere, or a feature that the runner lacks."""
    components = spec.get("components", {})
    sizes: dict[str, int] = {}

    def visit(name: str, component: Json, above: tuple[str, ...]) -> int:
        """How many tasks a component comes to, loops counted once."""
        if name in above:
            raise PackageError(f"component {name} contains itself")
        if name not in sizes:
            _vet_component(name, component, executors)
            tasks = component.get("dag", {}).get("tasks", {})
            _vet_dag(name, component, tasks, components)
            names = [task["componentRef"]["name"] for task in tasks.values()]
            sizes[name] = 1 + sum(visit(each, components[each], (*above, name)) for each in names)
        if sizes[name] > MOST_TASKS:
            raise PackageError(f"the pipeline has more than {MOST_TASKS} tasks")
        return sizes[name]

    visit("root", spec["root"], ())


def _vet_component(name: str, component: Json, executors: dict[str, Json]) -> None:
    label = component.get("executorLabel")
    if "dag" not in component and label not in executors:
        raise PackageError(f"component {name}: there is no executor {label!r}")
    if "dag" in component and not component["dag"].get("tasks"):
        raise PackageError(f"component {name}: a graph without tasks")
    if component.get("taskConfigPassthroughs") or component.get("singlePlatformSpecs"):
        raise PackageError(f"component {name}: TaskConfig is not supported on one machine")
    for key, definition in component.get("inputDefinitions", {}).get("parameters", {}).items():
        if definition.get("parameterType") not in KINDS:
            raise PackageError(
                f"component {name}: input {key} is a {definition.get('parameterType', 'nameless type')}"
            )


def _vet_dag(name: str, component: Json, tasks: dict[str, Json], components: Json) -> None:
    for task_name, task in sorted(tasks.items()):
        if "/" in task_name or task.get("componentRef", {}).get("name") not in components:
            missing = task.get("componentRef", {}).get("name")
            raise PackageError(f"{name}: task {task_name}: there is no component {missing!r}")
    for task_name, task in sorted(tasks.items()):
        where = f"{name}: task {task_name}"
        for other in task.get("dependentTasks", []):
            if other not in tasks:
                raise PackageError(f"{where}: there is no task {other!r} to wait for")
        for producer in _producers(task):
            _vet_producer(where, producer, tasks, components)
        _vet_inputs(where, component, task)
        _vet_iterator(where, task, components[task["componentRef"]["name"]])
    for producer in _selectors(component):
        _vet_producer(f"{name}: its outputs", producer, tasks, components)
    try:
        ordered(tasks)
    except CycleError as error:
        raise PackageError(f"{name}: tasks wait for each other: {' → '.join(error.args[1])}") from None


def _vet_producer(where: str, producer: tuple[str, str, str], tasks: dict[str, Json], components: Json) -> None:
    """Something is said to come from an output of a task: both must be there."""
    task, side, key = producer
    made = components[tasks[task]["componentRef"]["name"]].get("outputDefinitions", {}) if task in tasks else {}
    if task not in tasks or (side and key not in made.get(side, {})):
        raise PackageError(f"{where}: no task {task!r} has an output {key!r}")


def _vet_inputs(where: str, component: Json, task: Json) -> None:
    defined = component.get("inputDefinitions", {})
    for key, source in parameters_in(task).items():
        taken = source.get("componentInputParameter")
        if taken is not None and taken not in defined.get("parameters", {}):
            raise PackageError(f"{where}: there is no parameter {taken!r} for {key}")
        selector = source.get("parameterExpressionSelector")
        if selector is not None and not SELECTOR.fullmatch(selector):
            raise PackageError(f"{where}: the expression {selector!r} is not supported")
        constant = source.get("runtimeValue", {}).get("constant")
        for _ in placeholders.known(constant) if isinstance(constant, str) else ():
            pass
    for key, source in artifacts_in(task).items():
        taken = source.get("componentInputArtifact")
        if taken is not None and taken not in defined.get("artifacts", {}):
            raise PackageError(f"{where}: there is no artifact {taken!r} for {key}")
    condition = task.get("triggerPolicy", {}).get("condition")
    if condition and (missing := conditions.parse(condition).names - set(parameters_in(task))):
        raise PackageError(f"{where}: its condition asks for {min(missing)!r}, which is no input")


def _vet_iterator(where: str, task: Json, repeated: Json) -> None:
    """A loop must say what it goes through, and the component must take an item of it."""
    for kind, side, given in (
        ("parameterIterator", "parameters", {"raw", "inputParameter"}),
        ("artifactIterator", "artifacts", {"inputArtifact"}),
    ):
        if kind in task:
            items, item = task[kind].get("items", {}), task[kind].get("itemInput")
            if not given & set(items) or item not in repeated.get("inputDefinitions", {}).get(side, {}):
                raise PackageError(f"{where}: a loop without its items, or over a component that takes none")


def _producers(task: Json) -> Iterator[tuple[str, str, str]]:
    """(task, "parameters" or "artifacts" or nothing, output) for each task that inputs come from."""
    for source in parameters_in(task).values():
        if taken := source.get("taskOutputParameter"):
            yield taken.get("producerTask", ""), "parameters", taken.get("outputParameterKey", "")
        if taken := source.get("taskFinalStatus"):
            yield taken.get("producerTask", ""), "", ""
    for source in artifacts_in(task).values():
        if taken := source.get("taskOutputArtifact"):
            yield taken.get("producerTask", ""), "artifacts", taken.get("outputArtifactKey", "")


def _selectors(component: Json) -> Iterator[tuple[str, str, str]]:
    """The same for what a graph hands out."""
    outputs = component.get("dag", {}).get("outputs", {})
    for output in outputs.get("artifacts", {}).values():
        for one in output.get("artifactSelectors", []):
            yield one.get("producerSubtask", ""), "artifacts", one.get("outputArtifactKey", "")
    for output in outputs.get("parameters", {}).values():
        single = [output["valueFromParameter"]] if "valueFromParameter" in output else []
        for one in [*single, *output.get("valueFromOneof", {}).get("parameterSelectors", [])]:
            yield one.get("producerSubtask", ""), "parameters", one.get("outputParameterKey", "")
