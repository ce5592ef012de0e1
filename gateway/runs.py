"""`/v1/retrain` and `/v1/runs`: trainings, through Kubeflow's own client."""

import re
from typing import Any, Literal

from flask import Blueprint, request

from binocular import registry
from binocular.errors import NotFoundError, RequestError
from binocular.flow import Flow
from binocular.messages import Listing, Retrain, Started
from binocular.messages.runs import Decision, Reason, RunDetail, RunList, RunSummary
from gateway import graph
from gateway.alike import parameters_of
from gateway.calls import call, json_body, query
from gateway.journal import note
from gateway.retraining import PREFIX_OF_NAME
from gateway.services import services

blueprint = Blueprint("runs", __name__)

KEY = "Idempotency-Key"
LONGEST_KEY = 255
ACCEPTED = 202
ID = re.compile(r"[A-Za-z0-9-]{1,64}")
PENDING = "PENDING"
FAILED = "FAILED"
NEVER = 1970  # the year in which an unfinished run of Kubeflow has ended


@blueprint.post("/v1/retrain")
@call(
    "Start a training",
    Started,
    takes=Retrain,
    scope="admin",
    status=ACCEPTED,
    refuses=(400, 404, 409, 413, 415, 502, 503, 507),
    headers={KEY: "Made anew for each training that is wanted, and sent again with a request that is sent again."},
    body_required=False,
)
def retrain() -> Started:
    """One goes at a time: a second is refused with the first one's `run_id`. A request that is sent again with the
    same `Idempotency-Key` starts nothing again.
    """
    asked = json_body(Retrain, optional=True)
    key = request.headers.get(KEY, "")
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise RequestError(f"{KEY}: at most {LONGEST_KEY} printable characters were expected")
    run_id = services().retraining.start(asked.parameters, key)
    note(run=run_id)
    return Started(run_id=run_id, state=services().runs.get(run_id).state or PENDING, url=f"/v1/runs/{run_id}")


@blueprint.get("/v1/runs")
@call("List trainings", RunList, query=Listing, scope="predict", refuses=(400, 502, 503))
def list_runs() -> RunList:
    """The newest first."""
    wanted = query(Listing)
    return RunList(runs=[RunSummary(**_summary(run)) for run in services().runs.newest(wanted.limit)])


@blueprint.get("/v1/runs/<run_id>")
@call("Follow a training", RunDetail, scope="predict", refuses=(404, 502, 503))
def show_run(run_id: str) -> RunDetail:
    """Its state, its steps as a graph with their times, and what was decided about its candidate."""
    return _detail(services().runs.get(checked(run_id)))


@blueprint.post("/v1/runs/<run_id>/terminate")
@call("End a training", RunDetail, scope="admin", status=ACCEPTED, refuses=(400, 404, 409, 502, 503))
def terminate(run_id: str) -> RunDetail:
    """It ends a moment later."""
    runs = services().runs
    runs.terminate(checked(run_id))
    note(run=run_id)
    return _detail(runs.get(run_id))


def checked(run_id: str) -> str:
    """An id that may be one of a run."""
    if not ID.fullmatch(run_id):
        raise NotFoundError(f"{run_id[:60]!r} is no id of a run")
    return run_id


def _summary(run: Any) -> dict[str, Any]:  # noqa: ANN401 - an object of kfp's client
    finished = run.finished_at if run.finished_at and run.finished_at.year > NEVER else None
    decided = services().decisions.of(run.run_id)
    return {
        "id": run.run_id,
        "name": run.display_name or "",
        "state": run.state or PENDING,
        "created_at": run.created_at,
        "finished_at": finished,
        "started_by": _starter(run),
        "decision": decided.verdict.decision if decided else None,
        "version": decided.version if decided else None,
        "summary": decided.verdict.summary if decided else None,
        "error": graph.said(run.error.message) if run.state == FAILED and run.error else None,
    }


def _starter(run: Any) -> Literal["gateway", "schedule", "pipelines"]:  # noqa: ANN401
    if run.recurring_run_id:
        return "schedule"
    return "gateway" if (run.display_name or "").startswith(PREFIX_OF_NAME) else "pipelines"


def _detail(run: Any) -> RunDetail:  # noqa: ANN401
    here = services()
    flow = Flow.of(here.runs.package(run))
    defaults, given = parameters_of(flow, run)
    found = registry.decision(here.store, here.settings.model_name, run.run_id)
    return RunDetail(
        **_summary(run),
        steps=graph.steps_of(here.store, run, flow),
        parameters={**defaults, **given},
        changed={name: defaults.get(name) for name, value in given.items() if value != defaults.get(name)},
        verdict=_verdict(found) if found else None,
    )


def _verdict(found: registry.Decision) -> Decision:
    verdict = found.verdict
    return Decision(
        decision=verdict.decision,
        summary=verdict.summary,
        version=found.version,
        champion=verdict.champion,
        snapshot=verdict.snapshot,
        images=verdict.images,
        reasons=[Reason(**reason.model_dump()) for reason in verdict.reasons],
        candidate_metrics=verdict.candidate_metrics,
        champion_metrics=verdict.champion_metrics,
        artifacts=found.artifacts,
    )
