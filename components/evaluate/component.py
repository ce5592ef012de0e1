"""The contract of the evaluate step."""

import logging
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from kfp import dsl

from binocular import registry
from binocular.datasets import Reference, fetch_snapshot
from binocular.errors import IntegrityError, NotFoundError
from binocular.steps import step
from binocular.store import Store, connect
from components import BASE_IMAGE, IMAGE
from components.evaluate import kubeflow
from components.evaluate.gate import Gate

log = logging.getLogger(__name__)


class Judged(NamedTuple):
    """What decides which way the run goes on: `promote` or `reject`."""

    decision: str


@dsl.component(base_image=BASE_IMAGE, target_image=IMAGE)
def evaluate(
    name: str,
    snapshot: str,
    champion: int,
    gate: dict,
    findings: dsl.Input[dsl.Artifact],
    candidate: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    classes: dsl.Output[dsl.ClassificationMetrics],
) -> Judged:
    """Judge the candidate, beside the version in production, on images that neither has seen."""
    with step() as settings, tempfile.TemporaryDirectory() as scratch:
        store = connect(settings)
        drawn = Gate.of(gate)
        folder = Path(scratch, "snapshot")
        fetch_snapshot(store, Reference.at(snapshot), folder)
        from components.evaluate import evaluation as evaluating  # noqa: PLC0415

        question = evaluating.Question(
            snapshot=folder,
            candidate=Path(candidate.path),
            champion=_champion(store, name, champion, Path(scratch)) if champion else None,
            champion_version=champion or None,
            validation=Path(findings.path),
            gate=drawn,
        )
        done = evaluating.evaluate(question)
        evaluating.write(done, Path(evaluation.path))
        for reason in done.verdict.reasons:
            log.info("kept" if reason.passed else "broken", extra={"rule": reason.rule, "why": reason.text})
        log.info(done.verdict.summary)
        shutil.move(Path(evaluation.path, evaluating.PAGE), report.path)
        for figure, value in kubeflow.metrics(done.verdict, done.evidence).items():
            metrics.log_metric(figure, value)
        if drawn_classes := kubeflow.classification(done.evidence):
            classes.log_confusion_matrix(drawn_classes.categories, drawn_classes.matrix)
            if drawn_classes.fpr:
                classes.log_roc_curve(drawn_classes.fpr, drawn_classes.tpr, drawn_classes.threshold)
        return Judged(done.verdict.decision)


def _champion(store: Store, name: str, version: int, scratch: Path) -> Path:
    """The folder of the version in production; one that is damaged is what the gate has a verdict for."""
    folder = scratch / "champion"
    try:
        registry.fetch_version(store, name, version, folder)
    except (IntegrityError, NotFoundError):
        folder.mkdir(exist_ok=True)
    return folder
