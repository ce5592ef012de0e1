"""`python -m components.train --snapshot FOLDER --out FOLDER`: run this step alone, without Kubeflow."""

import tempfile
from pathlib import Path

import click

from binocular import logs, quarantine
from binocular import snapshot as snapshots
from binocular.commands import run
from binocular.parameters import with_options
from binocular.settings import DOWNLOADS, load
from components import wake_tensorflow
from components.train import sweep as sweeps
from components.train.material import Material
from components.train.recipe import Recipe
from components.train.shelf import FolderShelf
from components.train.weights import Origin

CACHE = "cache"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--snapshot", "folder", required=True, type=click.Path(path_type=Path), help="What to learn from.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the candidate goes.")
@click.option(
    "--validation",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder that validate wrote: what it put in quarantine is left out.",
)
@click.option(
    "--sweep",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help='JSON list of recipes to compare, each what differs from the options: [{"l2": 0.001}, {"l1": 0.001}].',
)
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Keeps embeddings and weights.  [default: .binocular/cache]"
)
@with_options(Recipe)
def train(
    folder: Path, out: Path, validation: Path | None, sweep: Path | None, cache: Path | None, **recipe: object
) -> None:
    """Train a classifier on a snapshot."""
    settings = load()
    logs.configure(settings)
    base = Recipe.of(recipe)
    recipes = sweeps.recipes(base, sweeps.parse(sweep.read_text(encoding="utf-8"))) if sweep else [base]
    frozen = snapshots.read(folder)
    material = Material(frozen, folder, quarantine.read(validation, frozen))
    shelf = FolderShelf(cache or settings.home / CACHE)
    origin = Origin(shelf, None, settings.home / DOWNLOADS)
    wake_tensorflow()
    from components.train import page, training  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        result = training.train(material, recipes, origin, Path(scratch))
    result.write(out)
    (out / page.PAGE).write_text(page.render_curves(result.facts, result.sweep), encoding="utf-8")
    click.echo(f"candidate: {result.facts.validation['accuracy']:.1%} of validation images right: {out}")


run(train, "train", program="python -m components.train")
