"""Training: our recipe beside `model.fit` on folders; training again after a few new photos, beside from nothing.

Both start from the same weights, see the same photos of the sample and are judged on its test side.
"""

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.page import Bars, Row, Table
from benchmarks.processes import process
from benchmarks.rivals import PEERS
from benchmarks.timing import SHOW
from binocular.candidate import MODEL, Candidate
from binocular.sample.drawing import relative_path, render
from binocular.sample.drawing import write as draw
from binocular.sample.spec import CLASSES, Spec
from binocular.sample.spec import SIZE as SIDE

NEW = 50
HEAD_EPOCHS, TUNE_EPOCHS = 10, 6


@dataclass(frozen=True)
class Start:
    """What every training starts from."""

    images: int  # of each class
    weights: str
    alpha: float
    side: int

    def __str__(self) -> str:
        return f"MobileNetV2 {self.alpha} at {self.side} pixels"


def against_plain_fit(start: Start) -> Table:
    """Our recipe and what tutorials do, each in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos, candidate = folder / "photos", folder / "ours"
        draw(photos, Spec(images=start.images, split=True))
        facts, ours = _train(_ingest(photos, folder / "snapshot"), candidate, folder / "cache", start)
        right = _run("-m", "benchmarks.training", str(candidate), str(photos / "test"))["accuracy"]
        SHOW.print("model.fit")
        began = time.perf_counter()
        arguments = (photos, start.weights, start.alpha, start.side, HEAD_EPOCHS, TUNE_EPOCHS)
        theirs_right = _run(str(PEERS / "plain_fit.py"), *map(str, arguments))["accuracy"]
        theirs = time.perf_counter() - began
    rows = [
        _trained("Binocular", ours, right, theirs),
        _trained("model.fit from folders", theirs, theirs_right, theirs),
    ]
    phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in facts.seconds.items())
    says = f"{start} on {len(CLASSES) * start.images} photos of the sample, a process each. Binocular: {phases}."
    return Table("Training", says, rows, [Bars("seconds", {"Binocular": ours, "model.fit": theirs})])


def _trained(who: str, seconds: float, right: float, theirs: float) -> Row:
    return {"who": who, "seconds": seconds, "test images right": f"{right:.1%}", "of model.fit": seconds / theirs}


def again(start: Start) -> Table:
    """A second training after some new photos, and the same one from nothing."""
    rows: list[Row] = []
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos, cache = folder / "photos", folder / "cache"
        draw(photos, Spec(images=start.images))
        _train(_ingest(photos, folder / "before"), folder / "first", cache, start)
        for number in range(NEW):
            label, place = CLASSES[number % len(CLASSES)], start.images + number
            (photos / relative_path(label, place, split=False)).write_bytes(render(label, place, SIDE, seed=9))
        snapshot = _ingest(photos, folder / "after")
        for name, known in ((f"after {NEW} new photos", cache), ("from nothing", folder / "empty")):
            facts, seconds[name] = _train(snapshot, folder / name.replace(" ", "-"), known, start)
            rows.append(
                {
                    "training": name,
                    "seconds": seconds[name],
                    "of them for embeddings": facts.seconds.get("embedding", 0.0),
                    "embeddings computed": facts.embedded.get("computed", 0),
                    "known from before": facts.embedded.get("cached", 0),
                }
            )
    says = f"{start}, {len(CLASSES) * start.images + NEW} photos, a process each."
    return Table("Training again", says, rows, [Bars("seconds", seconds)])


def _ingest(photos: Path, out: Path) -> Path:
    SHOW.print(f"ingest {photos.name}")
    process("-m", "components.ingest", str(photos), "--out", str(out))
    return out


def _train(snapshot: Path, out: Path, cache: Path, start: Start) -> tuple[Candidate, float]:
    """Train; the facts, and the seconds of the whole process."""
    SHOW.print(f"train {out.name}")
    chosen = {"weights": start.weights, "alpha": start.alpha, "image-size": start.side}
    options = {"snapshot": snapshot, "out": out, "cache": cache, **chosen}
    began = time.perf_counter()
    process("-m", "components.train", *(f"--{name}={value}" for name, value in options.items()))
    return Candidate.read(out), time.perf_counter() - began


def _run(*arguments: str) -> dict[str, float]:
    """The JSON in the last line that a process prints."""
    found: dict[str, float] = json.loads(process(*arguments).splitlines()[-1])
    return found


@click.command()
@click.argument("candidate", type=click.Path(path_type=Path))
@click.argument("photos", type=click.Path(path_type=Path))
def main(candidate: Path, photos: Path) -> None:
    """Print how many photos of a folder of class folders a candidate gets right."""
    import keras  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    from binocular.imaging import decode  # noqa: PLC0415

    facts = Candidate.read(candidate)
    model = keras.models.load_model(candidate / MODEL)
    paths = sorted(photos.glob("*/*.jpg"))
    pixels = np.stack([decode(path.read_bytes(), facts.height, facts.width) for path in paths])
    guesses = np.argmax(model.predict(pixels, verbose=0), axis=1)
    right = [facts.classes[guess] == path.parent.name for guess, path in zip(guesses, paths, strict=True)]
    print(json.dumps({"accuracy": sum(right) / len(right)}))


if __name__ == "__main__":
    main()
