"""The contract of the export step."""

import logging
import tempfile
from pathlib import Path
from typing import NamedTuple

from kfp import dsl

from binocular import quarantine, registry
from binocular.datasets import Reference, fetch_snapshot
from binocular.errors import NotPromotedError
from binocular.signatures import signer
from binocular.steps import step
from binocular.store import connect
from binocular.verdict import Verdict, class_figures
from components import BASE_IMAGE, IMAGE, wake_tensorflow
from components.export.choices import Choices

PROMOTE = "promote"

log = logging.getLogger(__name__)


class Exported(NamedTuple):
    """Which version the candidate became."""

    version: int


@dsl.component(base_image=BASE_IMAGE, target_image=IMAGE)
def export(
    name: str,
    run: str,
    snapshot: str,
    champion: int,
    looked: str,
    decision: str,
    quantization: str,
    findings: dsl.Input[dsl.Artifact],
    candidate: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    curves: dsl.Input[dsl.HTML],
    data_report: dsl.Input[dsl.HTML],
    report: dsl.Input[dsl.HTML],
    model: dsl.Output[dsl.Model],
) -> Exported:
    """Make a candidate that was let in a version of the model, prove it, publish it and put it into production."""
    with step() as settings, tempfile.TemporaryDirectory() as scratch:
        chosen = Choices(quantization)
        if decision != PROMOTE:
            raise NotPromotedError(f"export was told {decision!r}; it exports what the gate decided to {PROMOTE}")
        store = connect(settings)
        verdict = Verdict.read(Path(evaluation.path))
        folder = Path(scratch, "snapshot")
        reference = Reference.at(snapshot)
        frozen = fetch_snapshot(store, reference, folder)
        wake_tensorflow()
        from components.export import exporting  # noqa: PLC0415

        rows = quarantine.read(Path(findings.path), frozen)
        classes = class_figures(Path(evaluation.path))
        wanted = exporting.Wanted(
            Path(candidate.path), verdict, classes, folder, rows, name, run, reference, looked, chosen
        )
        out = Path(scratch, "bundle")
        exporting.export(wanted, out)
        version = registry.publish_version(store, name, out, signer(settings))
        registry.promote(store, name, version, by=f"run {run}", why=verdict.summary, over=champion or None)
        artifacts = {"curves": curves, "data_report": data_report, "report": report, "evaluation": evaluation}
        registry.record(store, name, run, verdict, version, {key: each.uri for key, each in artifacts.items()})
        log.info("in production", extra={"model": name, "version": version, "why": verdict.summary})
        model.uri = f"minio://{store.endpoint.bucket}/{registry.prefix(name, version)}"
        model.metadata |= {"name": name, "version": version}
        return Exported(version)
