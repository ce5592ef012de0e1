"""`python -m benchmarks.reproduce --photos FOLDER`: the recipe on real photographs, into docs/results.md.

Each trial is kept in the working folder and is not run again; delete the folder to begin anew.
"""

import json
import signal
import sys
from pathlib import Path

import click

from benchmarks.processes import process
from benchmarks.reproduce import results, trials
from benchmarks.reproduce.photosets import PHOTO_SETS, PhotoSet
from benchmarks.reproduce.results import PhotoResults, Strangers
from benchmarks.reproduce.strangers import tell
from benchmarks.reproduce.trials import Prepared
from benchmarks.timing import SHOW, machine
from components.train.sweep import SWEEP, Sweep

# What a recipe differs in from the defaults; `--weights` comes on top where a network starts from weights.
PRETRAINED, RAW, REGULARISED = "pretrained", "raw", "regularised"
RECIPES: dict[str, tuple[str, ...]] = {
    PRETRAINED: (),
    RAW: ("--architecture=small_cnn",),
    # A head on a frozen network, with dropout and early stopping, as many projects compare them.
    REGULARISED: ("--fine-tune-share=0", "--dropout=0.3", "--patience=5"),
}
FOUR = [
    {"l1": 0.0, "l2": 0.001, "optimizer": "adam"},
    {"l1": 0.0, "l2": 0.001, "optimizer": "rmsprop"},
    {"l1": 0.001, "l2": 0.0, "optimizer": "adam"},
    {"l1": 0.001, "l2": 0.0, "optimizer": "rmsprop"},
]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([each.name for each in PHOTO_SETS]))
@click.option("--photos", type=click.Path(path_type=Path), default=Path("photos"), help="Folder with archives.")
@click.option("--weights", default="imagenet", show_default=True, help="What pretrained networks start from.")
@click.option("--alpha", default=1.0, show_default=True, help="Width of the MobileNetV2.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path(".binocular/reproduce"), show_default=True)
@click.option("--docs", is_flag=True, help="Write docs/results.md.")
def main(
    names: tuple[str, ...], photos: Path, weights: str, alpha: float, seeds: int, work: Path, *, docs: bool
) -> None:
    """Run the trials of these sets of photos, or of all that are here, and show what came of them."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started for it ends as well
    starts = (f"--weights={weights}", f"--alpha={alpha}")
    prepared: dict[str, tuple[PhotoSet, Prepared]] = {}
    for each in PHOTO_SETS:
        if names and each.name not in names:
            continue
        if source := each.source(photos, work):
            prepared[each.name] = each, trials.prepare(source, work / each.name)
        else:
            SHOW.print(f"{each.name} is left out: no {each.archive} in {photos}")
    found = [_results(each, made, work / each.name, starts, seeds) for each, made in prepared.values()]
    told = _strangers(prepared, work, seeds)
    text = results.render(found, told, machine())
    if docs:
        results.PAGE.write_text(text)
    click.echo(text)


def _results(each: PhotoSet, made: Prepared, folder: Path, starts: tuple[str, ...], seeds: int) -> PhotoResults:
    outcomes = {}
    for recipe in (PRETRAINED, RAW):
        options = RECIPES[recipe] + (starts if recipe != RAW else ())
        outcomes[recipe] = [
            trials.run(made, options, seed, folder / f"{recipe}-{seed}") for seed in range(1, seeds + 1)
        ]
    four = folder / "four.json"
    four.write_text(json.dumps(FOUR))
    compared = folder / REGULARISED
    options = (*RECIPES[REGULARISED], *starts, f"--sweep={four}")
    outcomes[REGULARISED] = [trials.run(made, options, 1, compared)]
    return PhotoResults(each, made.findings, outcomes, Sweep.load(compared / trials.CANDIDATE / SWEEP))


def _strangers(prepared: dict[str, tuple[PhotoSet, Prepared]], work: Path, seeds: int) -> list[Strangers]:
    """Each set's pretrained networks asked about each other set's photos."""
    found = []
    for one, (photos, mine) in prepared.items():
        for other, (others, theirs) in prepared.items():
            if photos.archive == others.archive:
                continue
            asked = []
            for seed in range(1, seeds + 1):
                folder = work / one / f"{PRETRAINED}-{seed}"
                asked.append((_scores(folder, one, mine), _scores(folder, other, theirs)))
            found += [
                Strangers(one, other, score, [tell(own[score], those[score]) for own, those in asked])
                for score in ("confidence", "familiarity")
            ]
    return found


def _scores(folder: Path, name: str, asked: Prepared) -> dict[str, list[float]]:
    """What a trial's network says of the test images of a set; asked once."""
    kept = folder / f"scores-{name}.json"
    if not kept.is_file():
        SHOW.print(f"{folder.parent.name}, {folder.name}: asking about {name}")
        arguments = ("-m", "benchmarks.reproduce.strangers", str(folder / trials.CANDIDATE))
        kept.write_text(process(*arguments, str(asked.snapshot)))
    found: dict[str, list[float]] = json.loads(kept.read_text())
    return found


if __name__ == "__main__":
    main()
