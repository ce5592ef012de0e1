"""A run as its graph: the steps that its pipeline has, each with what the run tells of it.

The pipeline says which steps there are and which wait for which; the run says how each of them is. A step that the
run does not tell of has not begun, or never will where the run has ended.
"""

from typing import Any

from binocular.errors import NotFoundError
from binocular.flow import ENDED, Flow, Node
from binocular.logs import said as said_in
from binocular.messages.runs import RunStep, StepProgress
from binocular.progress import latest
from binocular.runs import Step, steps
from binocular.store import Store

# Progress is among the last lines of a log.
TAIL_BYTES = 32 << 10
PENDING, RUNNING, SKIPPED = "PENDING", "RUNNING", "SKIPPED"
Told = Step | None


def steps_of(store: Store, run: Any, flow: Flow) -> list[RunStep]:  # noqa: ANN401 - an object of kfp's client
    """The steps of a run's graph; where the run does not tell its pipeline, its tasks without an edge."""
    told = [step for step in steps(run) if not step.is_group and step.path not in flow.groups]
    if not flow.nodes:
        return [_step(store, Node(step.path or step.name, (), ()), step, PENDING) for step in told]
    unknown = SKIPPED if run.state in ENDED else PENDING
    return [_step(store, node, match(node, told), unknown) for node in flow.nodes]


def match(node: Node, told: list[Step]) -> Told:
    """What a run tells of a step: of a step in a loop, of the one that needs a look first."""
    fitting = [each for each in told if _plain(each.path) == node.path]
    # A Kubeflow does not tell where a task is in its pipeline, only its name.
    fitting = fitting or [each for each in told if each.name == node.name]
    order = {"FAILED": 0, RUNNING: 1, PENDING: 2}
    return min(fitting, key=lambda each: order.get(each.state, 3), default=None)


def said(error: str) -> str:
    """The words of an error that a step ended with, without when and how loud they were said."""
    first, *rest = error.strip().splitlines() or [""]
    words = [line for line in map(said_in, rest) if line]
    return "\n".join(words) or first


def _plain(path: str) -> str:
    """The path of a task without the numbers of its iterations."""
    return "/".join(part for part in path.split("/") if not part.isdecimal())


def _step(store: Store, node: Node, told: Told, unknown: str) -> RunStep:
    if told is None or not told.state:
        state = unknown
    else:
        state = SKIPPED if told.state == PENDING and unknown == SKIPPED else told.state
    return RunStep(
        name=node.name,
        path=node.path,
        after=list(node.after),
        state=state,
        started_at=told.started if told else None,
        finished_at=told.ended if told else None,
        seconds=told.took.total_seconds() if told and told.took else None,
        cached=bool(told and told.cached),
        attempts=told.attempts if told else 1,
        error=said(told.error) if told and told.error else None,
        has_log=bool(told and told.log),
        has_report=bool(node.pages),
        progress=_progress(store, told) if told and state == RUNNING and told.log else None,
    )


def _progress(store: Store, step: Step) -> StepProgress | None:
    try:
        there, key = store.at(step.log)
        tail = there.part(key, -TAIL_BYTES, TAIL_BYTES).data.decode(errors="replace")
    except NotFoundError:  # nothing is stored yet
        return None
    found = latest(tail)
    return StepProgress(**vars(found)) if found else None
