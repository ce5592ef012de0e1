"""From a candidate with a promoting verdict to a bundle in a folder, proven in a fresh process.

facts = export(Wanted(candidate, verdict, classes, snapshot, …), Path("bundle"))
"""

import json
import logging
import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from binocular import candidate as candidates
from binocular.bundle import CARD, FACTS, LABELS, LITERT, Bundle, Quantization
from binocular.candidate import Candidate
from binocular.datasets import Reference
from binocular.errors import ConflictError, IntegrityError, NotPromotedError
from binocular.registry import check_name
from binocular.snapshot import Row
from binocular.verdict import ClassFigures, Verdict
from components.export.card import render_card
from components.export.choices import NONE, Choices
from components.export.comparing import Graph
from components.export.familiarity import with_familiarity
from components.export.golden import answers_of, choose, pixels, prove, write_golden
from components.export.graphs import write_graphs
from components.export.int8 import Material, stand_in
from components.export.warmup import write_warmup

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What is exported, and what is said about it."""

    candidate: Path
    verdict: Verdict
    classes: tuple[ClassFigures, ...]  # what the verdict rests on, class by class
    snapshot: Path  # a folder with packs
    rows: tuple[Row, ...]  # those of it that are used
    name: str
    run: str
    reference: Reference | None  # of the snapshot, where it lies in the store
    looked: str | None  # when ingest began to look at what people sent; None where it did not
    choices: Choices


def export(wanted: Wanted, out: Path) -> Bundle:
    """Write the bundle into a folder that appears only when it is proven."""
    check_name(wanted.name)
    facts = Candidate.read(wanted.candidate)
    _refuse(wanted.verdict, facts)
    if out.exists():
        raise ConflictError(f"{out} exists; name another folder or delete it first")
    draft = out.with_name(f".{out.name}.exporting")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        bundle = _write(wanted, facts, draft)
        off = prove(draft)
        log.info("proven", extra={graph: f"off by {distance:.1g}" for graph, distance in off.items()})
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return bundle


def _refuse(verdict: Verdict, facts: Candidate) -> None:
    """NotPromotedError unless exactly this candidate's data was judged and found good."""
    if verdict.decision != "promote":
        raise NotPromotedError(f"the candidate may not be exported: {verdict.summary}")
    if verdict.snapshot != facts.snapshot:
        raise NotPromotedError(
            f"the verdict is about the snapshot {verdict.snapshot}, the candidate learnt from {facts.snapshot}:"
            " evaluate this candidate"
        )


def _write(wanted: Wanted, facts: Candidate, folder: Path) -> Bundle:
    model = _loaded(wanted.candidate, facts)
    log.info("exporting", extra={"architecture": facts.architecture, "classes": len(facts.classes)})
    write_graphs(model, facts, folder)
    images = pixels(choose(wanted.rows), wanted.snapshot, facts)
    expected = answers_of(model, images)
    became, of_litert = None, None
    if wanted.choices.quantization != NONE:
        became = stand_in(model, facts, Material(wanted.rows, wanted.snapshot, images, expected), folder)
        of_litert = Graph((folder / LITERT).read_bytes())(images) if became.taken else None
    write_golden(images, expected, of_litert, folder)
    write_warmup(images, wanted.name, folder)
    bundle = _facts(wanted, facts, became)
    (folder / LABELS).write_text(json.dumps(facts.classes, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / CARD).write_text(render_card(bundle, wanted.verdict, wanted.classes), encoding="utf-8")
    bundle.write(folder / FACTS)
    return bundle


def _loaded(folder: Path, facts: Candidate) -> Any:  # noqa: ANN401 - Keras has no types
    """The candidate's network; it also tells how familiar an image is, if the candidate says what is."""
    path = folder / candidates.MODEL
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # noqa: BLE001 - Keras raises anything on a file that is none of its own
        reason = " ".join(str(error).split())[:200]
        raise IntegrityError(f"{path} does not load ({reason}): train again") from None
    if facts.familiar_from is None:
        return model
    return with_familiarity(model, np.load(folder / candidates.PROTOTYPES))


def _facts(wanted: Wanted, facts: Candidate, became: Quantization | None) -> Bundle:
    counts: dict[str, Counter[str]] = {}
    for row in wanted.rows:
        counts.setdefault(row.split, Counter())[row.label] += 1
    return Bundle(
        classes=facts.classes,
        height=facts.height,
        width=facts.width,
        sure_from=facts.sure_from,
        familiar_from=facts.familiar_from,
        name=wanted.name,
        run=wanted.run,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        snapshot=wanted.reference,
        looked=wanted.looked,
        counts={split: dict(number) for split, number in counts.items()},
        architecture=facts.architecture,
        weights=facts.weights,
        recipe=facts.recipe,
        chosen=facts.chosen,
        metrics=wanted.verdict.candidate_metrics,
        champion=wanted.verdict.champion,
        energy=facts.energy,
        quantization=became,
    )
