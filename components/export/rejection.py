"""The contract of the step that ends a run whose candidate was turned away: the decision goes on record."""

import logging
from pathlib import Path

from kfp import dsl

from binocular import registry
from binocular.steps import step
from binocular.store import connect
from binocular.verdict import Verdict
from components import BASE_IMAGE, IMAGE

log = logging.getLogger(__name__)


@dsl.component(base_image=BASE_IMAGE, target_image=IMAGE)
def record_rejection(
    name: str,
    run: str,
    evaluation: dsl.Input[dsl.Artifact],
    curves: dsl.Input[dsl.HTML],
    data_report: dsl.Input[dsl.HTML],
    report: dsl.Input[dsl.HTML],
) -> None:
    """Keep why a candidate was not let in; that is a normal end of a run."""
    with step() as settings:
        verdict = Verdict.read(Path(evaluation.path))
        artifacts = {"curves": curves, "data_report": data_report, "report": report, "evaluation": evaluation}
        uris = {key: each.uri for key, each in artifacts.items()}
        log.info("not let in", extra={"model": name, "why": verdict.summary})
        registry.record(connect(settings), name, run, verdict, None, uris)
