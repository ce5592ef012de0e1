"""The contract of the validate step."""

import logging
import shutil
import tempfile
from pathlib import Path

from kfp import dsl

from binocular import registry
from binocular.datasets import Reference, fetch_packs, fetch_snapshot
from binocular.errors import DataError, IntegrityError, NotFoundError
from binocular.snapshot import Snapshot
from binocular.steps import keep, step
from binocular.store import Store, connect
from components import BASE_IMAGE, IMAGE
from components.validate import page, validation
from components.validate.sharing import gathered
from components.validate.thresholds import Thresholds

log = logging.getLogger(__name__)


@dsl.component(base_image=BASE_IMAGE, target_image=IMAGE)
def validate(
    name: str,
    snapshot: str,
    champion: int,
    thresholds: dict,
    findings: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    shards: int = 1,
) -> None:
    """Say whether a snapshot is fit to train on; where it is not, the run stops here naming files.

    With several shards, `measure` has looked at its images before.
    """
    with step() as settings, tempfile.TemporaryDirectory() as scratch:
        store = connect(settings)
        drawn = Thresholds.of(thresholds)
        folder = Path(scratch, "snapshot")
        reference = Reference.at(snapshot)
        frozen = fetch_snapshot(store, reference, folder, packs=shards == 1)
        measured = gathered(store, reference, frozen, shards, Path(scratch)) if shards > 1 else None
        before = _champions_data(store, name, champion, Path(scratch)) if champion else None
        found = validation.validate(frozen, folder, drawn, before, measured)
        if shards > 1:  # the images that the report shows
            fetch_packs(store, folder, page.packs(found, frozen))
        validation.write(found, frozen, folder, Path(findings.path))
        for each in found.findings:
            log.info(each.check, extra={"severity": each.severity, "found": each.message})
        log.info(found.verdict)
        shutil.move(Path(findings.path, validation.PAGE), report.path)
        counted = {"images": found.images, "left_out": len(found.quarantined), "unreadable": found.unreadable}
        for figure, value in counted.items():
            metrics.log_metric(figure, float(value))
        if not found.passed:
            keep(store, findings.uri, Path(findings.path))
            keep(store, report.uri, Path(report.path))
            reasons = "; ".join(each.message for each in found.of("hard"))
            raise DataError(f"{found.verdict}: {reasons}; the report is {report.uri}")


def _champions_data(store: Store, name: str, version: int, scratch: Path) -> Snapshot | None:
    """The rows that the version in production learnt from, where they are known.

    None as well where they are gone or damaged: what then becomes of the run is for the gate to say.
    """
    try:
        reference = registry.facts(store, name, version).snapshot
        return fetch_snapshot(store, reference, scratch / "champions", packs=False) if reference else None
    except (IntegrityError, NotFoundError) as error:
        log.warning("not compared with the champion's data", extra={"why": str(error)})
        return None
