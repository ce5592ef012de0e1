"""Small pipelines as the compiler would write them, made of parts."""

from typing import Any

from pipeline.local.package import Package, vet

Json = dict[str, Any]


def text(name: str) -> Json:
    """The definition of an input or output that is a text."""
    return {name: {"parameterType": "STRING"}}


def step(name: str, inputs: Json | None = None, outputs: Json | None = None, **more: Any) -> Json:
    """A component that is a process."""
    return {
        "executorLabel": f"exec-{name}",
        "inputDefinitions": {"parameters": inputs if inputs is not None else text("text")},
        "outputDefinitions": {"parameters": outputs if outputs is not None else text("Output")},
        **more,
    }


def task(component: str, *after: str, **more: Any) -> Json:
    """A task that runs a component with a constant text."""
    return {
        "componentRef": {"name": f"comp-{component}"},
        "dependentTasks": list(after),
        "inputs": {"parameters": {"text": {"runtimeValue": {"constant": component}}}},
        **more,
    }


def from_task(producer: str, output: str = "Output", name: str = "text") -> Json:
    """The inputs of a task that takes what another made."""
    source = {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": output}}
    return {"parameters": {name: source}}


def dag(tasks: Json, **more: Any) -> Json:
    """A component that is a graph."""
    outputs = more.pop("outputs", None)
    return {"dag": {"tasks": tasks, **({"outputs": outputs} if outputs else {})}, **more}


def document(tasks: Json, components: Json | None = None, **more: Any) -> Json:
    """A whole pipeline. Components that no one defines are plain steps."""
    known = {f"comp-{name}": value for name, value in (components or {}).items()}
    graphs = [dag(tasks), *(value for value in known.values() if "dag" in value)]
    for each in graphs:
        for one in each["dag"]["tasks"].values():
            label = one["componentRef"]["name"]
            known.setdefault(label, step(label.removeprefix("comp-")))
    labels = [value["executorLabel"] for value in known.values() if "executorLabel" in value]
    executors = {label: {"container": {"image": "i", "command": ["true"]}} for label in labels}
    return {
        "pipelineInfo": {"name": "made"},
        "schemaVersion": "2.1.0",
        "root": dag(tasks, **more),
        "components": known,
        "deploymentSpec": {"executors": executors},
    }


def package(tasks: Json, components: Json | None = None, **more: Any) -> Package:
    """The same, vetted."""
    return vet(document(tasks, components, **more))
