"""`/v1/retrain` and `/v1/runs`: trainings, through Kubeflow's own client."""

import re
from typing import Any

from flask import Blueprint, request

from binocular import registry
from binocular.errors import NotFoundError, RequestError
from gateway.calls import call, json_body, query
from gateway.journal import note
from gateway.messages import Decision, Listing, Reason, Retrain, RunDetail, RunList, RunStep, RunSummary, Started
from gateway.services import services

blueprint = Blueprint("runs", __name__)

KEY = "Idempotency-Key"
LONGEST_KEY = 255
ACCEPTED = 202
ID = re.compile(r"[A-Za-z0-9-]{1,64}")
PENDING = "PENDING"


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
@call("List trainings", RunList, query=Listing, refuses=(400, 503))
def list_runs() -> RunList:
    """The newest first."""
    wanted = query(Listing)
    return RunList(runs=[RunSummary(**_summary(run)) for run in services().runs.newest(wanted.limit)])


@blueprint.get("/v1/runs/<run_id>")
@call("Follow a training", RunDetail, refuses=(404, 503))
def show_run(run_id: str) -> RunDetail:
    """Its state, its steps with their times, and what was decided about its candidate."""
    return _detail(services().runs.get(_checked(run_id)))


@blueprint.post("/v1/runs/<run_id>/terminate")
@call("End a training", RunDetail, scope="admin", status=ACCEPTED, refuses=(400, 404, 409, 503))
def terminate(run_id: str) -> RunDetail:
    """It ends a moment later."""
    runs = services().runs
    runs.terminate(_checked(run_id))
    note(run=run_id)
    return _detail(runs.get(run_id))


def _checked(run_id: str) -> str:
    if not ID.fullmatch(run_id):
        raise NotFoundError(f"{run_id[:60]!r} is no id of a run")
    return run_id


def _summary(run: Any) -> dict[str, Any]:  # noqa: ANN401 - an object of kfp's client
    finished = run.finished_at if run.finished_at and run.finished_at.year > 1970 else None  # noqa: PLR2004 - never
    return {
        "id": run.run_id,
        "name": run.display_name or "",
        "state": run.state or PENDING,
        "created_at": run.created_at,
        "finished_at": finished,
    }


def _detail(run: Any) -> RunDetail:  # noqa: ANN401
    from binocular.runs import steps  # noqa: PLC0415 - see services.py

    return RunDetail(
        **_summary(run),
        error=(run.error.message if run.error else None) or None,
        steps=[
            RunStep(
                name=step.name,
                state=step.state or PENDING,
                seconds=step.took.total_seconds() if step.took else None,
                cached=step.cached,
                error=step.error or None,
            )
            for step in steps(run)
            if not step.is_group
        ],
        verdict=_verdict(run.run_id),
    )


def _verdict(run_id: str) -> Decision | None:
    here = services()
    found = registry.decision(here.store, here.settings.model_name, run_id)
    if found is None:
        return None
    verdict = found.verdict
    return Decision(
        decision=verdict.decision,
        summary=verdict.summary,
        version=found.version,
        reasons=[Reason(**reason.model_dump()) for reason in verdict.reasons],
        candidate_metrics=verdict.candidate_metrics,
        champion_metrics=verdict.champion_metrics,
        artifacts=found.artifacts,
    )
