"""A trial: one recipe with one seed on one set of photos, through the steps as anybody runs them.

    photos = prepare("photos/trashnet.tar", folder)
    outcome = run(photos, ("--epochs=20",), seed=1, folder=folder / "1")     # found there, or made there

A trial that has its outcome is not run again, so that hours of them may be cut off and continued.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import process
from benchmarks.timing import SHOW
from binocular import quarantine, snapshot
from binocular.candidate import Candidate, Choice
from binocular.documents import Document
from binocular.quarantine import RowKey, key
from binocular.snapshot import Snapshot
from components.evaluate.evaluation import PREDICTIONS
from components.evaluate.measures import Measures, measure
from components.validate.__main__ import EXIT_UNFIT
from components.validate.report import REPORT

OUTCOME = "outcome.json"
CANDIDATE, EVALUATION = "candidate", "evaluation"


@dataclass(frozen=True)
class Prepared:
    """A set of photos as a snapshot, and what validation found in it."""

    snapshot: Path
    report: Path

    @property
    def findings(self) -> list[str]:
        """What validation says of the photos as a whole."""
        found = json.loads((self.report / REPORT).read_text(encoding="utf-8"))
        return [f"{each['severity']}: {each['message']}" for each in found["findings"]]


class Mistake(Document):
    """A test image that was taken for something else."""

    file: str
    label: str
    said: str
    confidence: float


class Outcome(Document):
    """What came of a trial."""

    seed: int
    seconds: float  # of the whole process, from nothing
    images: dict[str, int]
    chosen: tuple[Choice, ...]
    watt_hours: float | None
    every: Measures  # on every test image
    apart: Measures  # on those that validation lets pass and that resemble no image that was learnt from
    mistakes: tuple[Mistake, ...]  # the most confident first


def prepare(source: str, folder: Path) -> Prepared:
    """Freeze photos, and look for what is wrong with them."""
    made = Prepared(folder / "snapshot", folder / "report")
    if not made.snapshot.is_dir():
        SHOW.print(f"ingest {source}")
        process("-m", "components.ingest", source, "--out", str(made.snapshot))
    if not (made.report / REPORT).is_file():
        arguments = ("-m", "components.validate", f"--snapshot={made.snapshot}", f"--out={made.report}")
        process(*arguments, may_exit=EXIT_UNFIT)  # photos that are not fit: a result says so and does not hide it
    return made


def run(photos: Prepared, options: Sequence[str], seed: int, folder: Path) -> Outcome:
    """The outcome of a trial, which trains where the folder holds none."""
    if (folder / OUTCOME).is_file():
        return Outcome.load(folder / OUTCOME)
    SHOW.print(f"train {folder.parent.name}, seed {seed}: {' '.join(options)}")
    candidate, evaluation = folder / CANDIDATE, folder / EVALUATION
    began = time.perf_counter()
    process(
        *("-m", "components.train", f"--snapshot={photos.snapshot}", f"--validation={photos.report}"),
        *(f"--out={candidate}", f"--cache={folder / 'cache'}", f"--seed={seed}", *options),
    )
    seconds = time.perf_counter() - began
    # Nothing is left out here: figures with and without what validation leaves out both come from these answers.
    process(
        *("-m", "components.evaluate", f"--snapshot={photos.snapshot}", f"--candidate={candidate}"),
        f"--out={evaluation}",
    )
    outcome = _outcome(photos, folder, seed, seconds)
    outcome.write(folder / OUTCOME)
    return outcome


def _outcome(photos: Prepared, folder: Path, seed: int, seconds: float) -> Outcome:
    facts = Candidate.read(folder / CANDIDATE)
    frozen = snapshot.read(photos.snapshot)
    answers: list[dict[str, Any]] = list(snapshot.read_lines(folder / EVALUATION / PREDICTIONS))
    apart = _apart(frozen, photos.report)
    files = {(row.sha256, row.label): row.sources[0] for row in frozen.rows}
    wrong = [each for each in answers if each["label"] != each["predicted"]]
    wrong.sort(key=lambda each: -max(each["probabilities"]))
    return Outcome(
        seed=seed,
        seconds=seconds,
        images=facts.images,
        chosen=facts.chosen,
        watt_hours=1000 * facts.energy.kwh if facts.energy else None,
        every=_measured(answers, facts),
        apart=_measured([each for each in answers if (each["sha256"], each["label"], "test") in apart], facts),
        mistakes=tuple(
            Mistake(
                file=files[each["sha256"], each["label"]].rpartition("/")[2],
                label=each["label"],
                said=each["predicted"],
                confidence=max(each["probabilities"]),
            )
            for each in wrong
        ),
    )


def _apart(frozen: Snapshot, report: Path) -> set[RowKey]:
    """The test images that are not left out and in whose group of near-duplicates there is none to learn from."""
    learnt = {row.group for row in frozen.rows if row.split != "test"}
    kept = quarantine.read(report, frozen)
    return {key(row) for row in kept if row.split == "test" and row.group not in learnt}


def _measured(answers: Sequence[dict[str, Any]], facts: Candidate) -> Measures:
    shares = np.array([each["probabilities"] for each in answers]).reshape(-1, len(facts.classes))
    return measure([each["label"] for each in answers], shares, facts.classes)
