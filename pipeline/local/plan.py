"""What is to be done next in a run: a function of the pipeline, its parameters and what has ended so far.

    plan = look(package, inputs, known={"ingest": Result("SUCCEEDED", …)}, running={"train"})
    plan.ready      # the steps that can start now
    plan.state      # "RUNNING", or how the run ended
    plan.nodes      # every task, graph and loop iteration with its state, for people

Nothing is remembered between two looks, so a run goes on after a crash from the records of its finished
steps alone. As on a cluster: a task waits until all it depends on succeeded; behind a failed or skipped one it
is skipped; once a task of a graph has failed, no further one of that graph starts, except those that are
told to run whatever happened (exit handlers, `ignore_upstream_failure`).
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from binocular.errors import RequestError
from pipeline.local import conditions, graph
from pipeline.local.inputs import Data, Result, of_task
from pipeline.local.package import Package
from pipeline.local.values import Json, Value, coerce

UNFINISHED = {"PENDING", "RUNNING"}
COMPLETED = "ALL_UPSTREAM_TASKS_COMPLETED"
MOST_ITERATIONS = 10_000


@dataclass(frozen=True)
class Step:
    """A task that is one process, with all it needs to start."""

    path: str
    task: Json
    component: Json
    inputs: Data
    may_cache: bool


@dataclass(frozen=True)
class Node:
    """A task, graph or iteration as people see it. Its path names where it is: "for-loop-1/0/train"."""

    path: str
    name: str
    parent: str
    state: str
    error: str = ""
    inputs: Data = field(default_factory=Data)
    outputs: Data = field(default_factory=Data)
    step: bool = False


@dataclass(frozen=True)
class Plan:
    """The state of a run, or of a part of it."""

    result: Result
    nodes: tuple[Node, ...] = ()
    ready: tuple[Step, ...] = ()

    @property
    def state(self) -> str:
        """PENDING, RUNNING, SUCCEEDED or FAILED."""
        return self.result.state


def task_id(run_id: str, path: str) -> str:
    """The id of a task of a run, the same each time it is asked for."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id}/{path}"))


def look(
    package: Package, inputs: Data, known: Mapping[str, Result], running: AbstractSet[str], run: Mapping[str, str]
) -> Plan:
    """The whole run as it stands. `run` holds what placeholders tell about it."""
    return _Look(package, known, running, run).dag(package.root, inputs, "", may_cache=True)


class _Look:
    """One look at a run."""

    def __init__(
        self, package: Package, known: Mapping[str, Result], running: AbstractSet[str], run: Mapping[str, str]
    ) -> None:
        self._package, self._known, self._running, self._run = package, known, running, run
        self._orders: dict[int, list[str]] = {}
        self._begun = {
            "/".join(parts[:count])
            for path in (*known, *running)
            for parts in [path.split("/")]
            for count in range(1, len(parts) + 1)
        }

    def dag(self, component: Json, inputs: Data, path: str, *, may_cache: bool) -> Plan:
        """A graph of tasks."""
        plans = self._tasks(component["dag"]["tasks"], inputs, path, may_cache=may_cache, failed=frozenset())
        if failed := frozenset(name for name, plan in plans.items() if plan.state == "FAILED"):
            plans = self._tasks(component["dag"]["tasks"], inputs, path, may_cache=may_cache, failed=failed)
        state, error = _together(plans.items())
        results = {name: plan.result for name, plan in plans.items()}
        outputs = Data() if state in UNFINISHED else _outputs(component, results)
        return _joined(Result(state, outputs, error), plans.values())

    def _tasks(
        self, tasks: Json, inputs: Data, path: str, *, may_cache: bool, failed: frozenset[str]
    ) -> dict[str, Plan]:
        plans: dict[str, Plan] = {}
        results: dict[str, Result] = {}
        for name in self._ordered(tasks):
            plan = self._task(name, tasks[name], inputs, results, path, may_cache=may_cache, failed=failed)
            plans[name], results[name] = plan, plan.result
        return plans

    def _ordered(self, tasks: Json) -> list[str]:
        """The order of a graph's tasks, worked out once for all iterations of a loop."""
        if id(tasks) not in self._orders:
            self._orders[id(tasks)] = graph.ordered(tasks)
        return self._orders[id(tasks)]

    def _task(
        self,
        name: str,
        task: Json,
        scope: Data,
        beside: Mapping[str, Result],
        parent: str,
        *,
        may_cache: bool,
        failed: frozenset[str],
    ) -> Plan:
        """One task of a graph: waiting, skipped, or what it comes to."""
        path = f"{parent}/{name}" if parent else name
        stays_out = bool(failed) and name not in failed and path not in self._begun
        whatever = task.get("triggerPolicy", {}).get("strategy") == COMPLETED
        before = [beside[other].state for other in graph.upstream(task)]
        if any(state in UNFINISHED for state in before):
            return self._told(path, name, parent, Result("SKIPPED" if stays_out and not whatever else "PENDING"))
        if not whatever and any(state != "SUCCEEDED" for state in before):
            return self._told(path, name, parent, Result("SKIPPED"))
        if stays_out and not whatever:
            return self._told(path, name, parent, Result("SKIPPED"))
        component = self._package.component(task)
        try:
            texts = {**self._run, "task_name": name, "task_id": task_id(self._run.get("job_id", ""), path)}
            inputs = of_task(task, component, scope, beside, texts)
            condition = task.get("triggerPolicy", {}).get("condition")
            if condition and not conditions.parse(condition).holds(inputs.parameters):
                return self._told(path, name, parent, Result("SKIPPED"), inputs)
            may_cache = may_cache and task.get("cachingOptions", {"enableCache": True}).get("enableCache", False)
            if graph.iterator(task):
                plan = self._loop(task, component, inputs, path, may_cache=may_cache)
            else:
                plan = self._component(task, component, inputs, path, may_cache=may_cache)
        except RequestError as error:
            return self._told(path, name, parent, Result("FAILED", error=str(error)))
        return self._told(path, name, parent, plan.result, inputs, plan, step="dag" not in component)

    def _told(
        self,
        path: str,
        name: str,
        parent: str,
        result: Result,
        inputs: Data | None = None,
        plan: Plan | None = None,
        *,
        step: bool = False,
    ) -> Plan:
        """The plan of a task with the node that tells about it in front."""
        state = result.state
        node = Node(path, name, parent, state, result.error, inputs or Data(), result.outputs, step)
        return Plan(result, (node, *(plan.nodes if plan else ())), plan.ready if plan else ())

    def _component(self, task: Json, component: Json, inputs: Data, path: str, *, may_cache: bool) -> Plan:
        if "dag" in component:
            return self.dag(component, inputs, path, may_cache=may_cache)
        if path in self._known:
            return Plan(self._known[path])
        if path in self._running:
            return Plan(Result("RUNNING"))
        return Plan(Result("PENDING"), ready=(Step(path, task, component, inputs, may_cache),))

    def _loop(self, task: Json, component: Json, inputs: Data, path: str, *, may_cache: bool) -> Plan:
        """The same component for each item, at most so many at once as its parallelism says."""
        limit = task.get("iteratorPolicy", {}).get("parallelismLimit", 0) or MOST_ITERATIONS
        each = _iterations(task, component, inputs, path)
        plans: dict[str, Plan] = {}
        unfinished, failing = 0, False
        for number, item in enumerate(each):
            own = f"{path}/{number}"
            name = f"iteration {number}"
            if own not in self._begun and (failing or unfinished >= limit):
                plan = self._told(own, name, path, Result("SKIPPED" if failing else "PENDING"))
            else:
                inner = self._component(task, component, item, own, may_cache=may_cache)
                plan = self._told(own, name, path, inner.result, item, inner, step="dag" not in component)
            unfinished += plan.state in UNFINISHED
            failing = failing or plan.state == "FAILED"
            plans[name] = plan
        state, error = _together(plans.items())
        outputs = Data() if state in UNFINISHED else _collected(component, [p.result for p in plans.values()])
        return _joined(Result(state, outputs, error), plans.values())


def _iterations(task: Json, component: Json, inputs: Data, path: str) -> list[Data]:
    """The inputs of each iteration of a loop."""
    iterator = graph.iterator(task) or {}
    items, name = iterator["items"], iterator["itemInput"]
    if "inputArtifact" in items:
        found = inputs.artifacts.get(items["inputArtifact"], [])
        return [Data(inputs.parameters, {**inputs.artifacts, name: [each]}) for each in found]
    values: Value = items["raw"] if "raw" in items else inputs.parameters.get(items.get("inputParameter", ""))
    try:
        values = json.loads(values) if isinstance(values, str) else values
    except ValueError:
        values = None
    if not isinstance(values, list):
        raise RequestError(f"{path}: a loop needs a list; got {str(values)[:100]}")
    if len(values) > MOST_ITERATIONS:
        raise RequestError(f"{path}: a loop over {len(values)} items; at most {MOST_ITERATIONS} are run")
    kind = component["inputDefinitions"]["parameters"][name]["parameterType"]
    return [
        Data({**inputs.parameters, name: coerce(value, kind, f"{path}: item {number}")}, inputs.artifacts)
        for number, value in enumerate(values)
    ]


def _together(plans: Iterable[tuple[str, Plan]]) -> tuple[str, str]:
    """How the parts of a graph or loop stand as one, and which failed."""
    states = [(name, plan.result) for name, plan in plans]
    found = {result.state for _, result in states}
    if found & UNFINISHED:
        return ("PENDING" if not found - {"PENDING", "SKIPPED"} else "RUNNING"), ""
    failed = [
        f"{name}: {result.error}" if result.error else name for name, result in states if result.state == "FAILED"
    ]
    return ("FAILED", "; ".join(failed)) if failed else ("SUCCEEDED", "")


def _joined(result: Result, plans: Iterable[Plan]) -> Plan:
    plans = list(plans)
    nodes = tuple(node for plan in plans for node in plan.nodes)
    return Plan(result, nodes, tuple(step for plan in plans for step in plan.ready))


def _outputs(component: Json, results: Mapping[str, Result]) -> Data:
    """What a graph hands out: of several branches, what the one that ran made."""
    wanted = component["dag"].get("outputs", {})
    parameters: Json = {}
    for key, output in wanted.get("parameters", {}).items():
        one = output.get("valueFromParameter")
        for selector in [one] if one else output.get("valueFromOneof", {}).get("parameterSelectors", []):
            made = results[selector["producerSubtask"]].outputs.parameters
            if key not in parameters and selector["outputParameterKey"] in made:
                parameters[key] = made[selector["outputParameterKey"]]
    artifacts: dict[str, list[Json]] = {}
    for key, output in wanted.get("artifacts", {}).items():
        for selector in output.get("artifactSelectors", []):
            found = results[selector["producerSubtask"]].outputs.artifacts
            if key not in artifacts and selector["outputArtifactKey"] in found:
                artifacts[key] = found[selector["outputArtifactKey"]]
    return Data(parameters, artifacts)


def _collected(component: Json, results: list[Result]) -> Data:
    """What a loop hands out: lists of values, and of artifacts; of loops in loops, lists of lists of values."""
    defined = component.get("outputDefinitions", {})
    ended = [result.outputs for result in results if result.state == "SUCCEEDED"]
    return Data(
        {k: [each.parameters[k] for each in ended if k in each.parameters] for k in defined.get("parameters", {})},
        {k: [a for each in ended for a in each.artifacts.get(k, [])] for k in defined.get("artifacts", {})},
    )
