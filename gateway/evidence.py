"""What the steps of a run wrote: their logs, the pages for people, and the figures behind those.

Logs and figures need what asking for a prediction needs: whoever may use the model may see how it came to be.
Pages show photos that people sent, so they need what sending photos needs. A page is also a stranger to the
dashboard: it is served in a sandbox, where nothing in it can act as anybody.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Blueprint, Response

from binocular.candidate import FACTS
from binocular.errors import IntegrityError, NotFoundError
from binocular.flow import ENDED, Flow
from binocular.messages import Message
from binocular.messages.runs import (
    ClassFigures,
    DataFinding,
    EvaluationFacts,
    LogQuery,
    ModelFigures,
    StepLog,
    TrainingFacts,
    ValidationFacts,
)
from binocular.runs import steps
from binocular.store import Store
from binocular.verdict import EVALUATION
from gateway import artifacts, graph
from gateway.calls import call, query
from gateway.runs import checked
from gateway.services import services

blueprint = Blueprint("evidence", __name__)

HTML = "text/html"
# A page from the store may show itself, in our frame, and do nothing else.
SANDBOX = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
MOST_LOG_BYTES = 256 << 10
LONGEST_CHARACTER = 4
REPORT = "report.json"
LATENCIES = ("p50", "p95")
Json = Mapping[str, Any]
M = TypeVar("M", bound=Message)


@blueprint.get("/v1/runs/<run_id>/steps/<path:step>/log")
@call("Read a step's log", StepLog, query=LogQuery, scope="predict", refuses=(400, 404, 502, 503))
def show_log(run_id: str, step: str) -> StepLog:
    """From a byte on, also while the step runs: ask again from `next`. At most 256 KiB at a time."""
    wanted, run = query(LogQuery), services().runs.get(checked(run_id))
    node = Flow.of(services().runs.package(run)).node(step)
    told = [each for each in steps(run) if not each.is_group]
    found = (
        graph.match(node, told) if node else next((each for each in told if step in {each.path, each.name}), None)
    )
    if found is None and node is None:
        raise NotFoundError(f"run {run_id} has no step {step[:60]!r}")
    if found is None or not found.log:
        raise NotFoundError(
            f"{step} has no log here: it has not begun, an earlier result was taken, or this Kubeflow keeps its"
            " logs elsewhere (its own pages show them, and `kubectl logs` while the pod is there)"
        )
    there, key = services().store.at(found.log)
    part = there.part(key, wanted.start, MOST_LOG_BYTES)
    data = part.data
    ended = found.state in ENDED or run.state in ENDED
    if part.start + len(data) < part.size or not ended:
        data = _whole_characters(data)
    after = part.start + len(data)
    return StepLog(
        text=data.decode(errors="replace"),
        start=part.start,
        next=after,
        size=part.size,
        ended=ended and after == part.size,
    )


@blueprint.get("/v1/runs/<run_id>/reports/<path:step>")
@call("Read the page that a step wrote", HTML, scope="data", refuses=(404, 502, 503))
def show_report(run_id: str, step: str) -> Response:
    """The page of validate, train or evaluate, in a sandbox."""
    run = services().runs.get(checked(run_id))
    node = Flow.of(services().runs.package(run)).node(step)
    if node is None or not node.pages:
        raise NotFoundError(f"run {run_id} has no step {step[:60]!r} that writes a page")
    store, key = _find(run, node.name, node.pages[0])
    size = store.stat(key).size
    return Response(
        store.stream(key),
        content_type=f"{HTML}; charset=utf-8",
        headers={
            "Content-Security-Policy": SANDBOX,
            "X-Frame-Options": "SAMEORIGIN",
            "Content-Length": str(size),
        },
    )


@blueprint.get("/v1/runs/<run_id>/validation")
@call("Read what validation found", ValidationFacts, scope="predict", refuses=(404, 502, 503))
def show_validation(run_id: str) -> ValidationFacts:
    """Also of a run that ended with it."""
    return _document(run_id, "validate", "findings", REPORT, _validation)


@blueprint.get("/v1/runs/<run_id>/training")
@call("Read how a candidate was trained", TrainingFacts, scope="predict", refuses=(404, 502, 503))
def show_training(run_id: str) -> TrainingFacts:
    """Its learning curves, what was chosen for the data, and what it took."""
    return _document(run_id, "train", "candidate", FACTS, _training)


@blueprint.get("/v1/runs/<run_id>/evaluation")
@call("Read what a verdict rests on", EvaluationFacts, scope="predict", refuses=(404, 502, 503))
def show_evaluation(run_id: str) -> EvaluationFacts:
    """The figures of the candidate and of the version that was in production, on the same images."""
    return _document(run_id, "evaluate", "evaluation", EVALUATION, _evaluation)


def _validation(found: Json) -> ValidationFacts:
    findings = [_only(each, DataFinding) for each in found["findings"]]
    return ValidationFacts(**_only(found, ValidationFacts) | {"findings": findings})


def _training(found: Json) -> TrainingFacts:
    return TrainingFacts(**_only(found, TrainingFacts), image=[found["height"], found["width"]])


def _evaluation(found: Json) -> EvaluationFacts:
    paired = (found.get("comparison") or {}).get("overall") or {}
    return EvaluationFacts(
        images=sum(found["tested"].values()),
        candidate=_figures(found["candidate"]),
        champion=_figures(found["champion"]) if found.get("champion") else None,
        champion_version=found.get("champion_version"),
        fixed=paired.get("fixed"),
        broken=paired.get("broken"),
    )


def _figures(judged: Json) -> ModelFigures:
    measures = judged.get("measures") or {}
    latency = judged.get("latency") or {}
    return ModelFigures(
        architecture=judged["architecture"],
        fault=judged.get("fault"),
        overall=measures.get("overall", {}),
        intervals={name: each for name, each in measures.get("intervals", {}).items() if each},
        classes=[ClassFigures(**_only(each, ClassFigures)) for each in measures.get("classes", ())],
        confusion=measures.get("confusion", []),
        latency_ms={name: latency[name] for name in LATENCIES if name in latency},
        size=judged["size"],
    )


def _find(run: Any, step: str, name: str) -> tuple[Store, str]:  # noqa: ANN401 - an object of kfp's client
    here = services()
    flow = Flow.of(here.runs.package(run))
    node = flow.node(step)
    if node is None:
        raise NotFoundError(f"run {run.run_id} has no step {step}")
    told = graph.match(node, [each for each in steps(run) if not each.is_group])
    return artifacts.find(here.store, run, flow.name, told or node, here.decisions.of(run.run_id), name)


def _document(run_id: str, step: str, artifact: str, file: str, made: Callable[[Json], M]) -> M:
    """What is made of a document in an artifact of a run; it comes from outside, and may hold more, or less."""
    run = services().runs.get(checked(run_id))
    store, prefix = _find(run, step, artifact)
    key = f"{prefix}/{file}"
    data = store.read(key).data
    try:
        return made(json.loads(data))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{key} is damaged: {type(error).__name__}: {error}") from None


def _only(found: Json, message: type[Any]) -> dict[str, Any]:
    """What a message declares, of a document that may hold more."""
    return {name: found[name] for name in message.model_fields if name in found}


def _whole_characters(data: bytes) -> bytes:
    """Without a character at the end that has come only in part."""
    for cut in range(1, min(LONGEST_CHARACTER, len(data)) + 1):
        byte = data[-cut]
        if byte < 0x80:  # noqa: PLR2004 - one byte, one character
            break
        if byte >= 0xC0:  # noqa: PLR2004 - the first of several
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4  # noqa: PLR2004
            return data[:-cut] if length > cut else data
    return data
