"""`python -m components.export …`: run this step alone, without Kubeflow."""

from pathlib import Path

import click

from binocular import logs, quarantine
from binocular import snapshot as snapshots
from binocular.commands import run
from binocular.parameters import with_options
from binocular.settings import load
from binocular.verdict import Verdict, class_figures
from components import wake_tensorflow
from components.export.choices import Choices

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--candidate", required=True, type=FOLDER, help="What training wrote.")
@click.option("--evaluation", required=True, type=FOLDER, help="What evaluation wrote; its verdict decides.")
@click.option("--snapshot", required=True, type=FOLDER, help="What the candidate learnt from.")
@click.option("--validation", type=FOLDER, help="Validation's report; what it leaves out is left out.")
@click.option("--name", required=True, help="Name of the model.")
@click.option("--run", "made_by", default="by hand", show_default=True, help="What made it, for the record.")
@with_options(Choices)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the bundle goes.")
def export(
    candidate: Path,
    evaluation: Path,
    snapshot: Path,
    validation: Path | None,
    name: str,
    made_by: str,
    out: Path,
    **choices: str,
) -> None:
    """Make a bundle of a candidate that was let in, and prove it: SavedModel, LiteRT, labels, model card.

    It is written to a folder that TensorFlow Serving takes as it is; publishing it is the pipeline's.
    """
    logs.configure(load())
    chosen = Choices.of(choices)
    frozen = snapshots.read(snapshot)
    rows = quarantine.read(validation, frozen)
    verdict, classes = Verdict.read(evaluation), class_figures(evaluation)
    wake_tensorflow()
    from components.export import exporting  # noqa: PLC0415

    wanted = exporting.Wanted(candidate, verdict, classes, snapshot, rows, name, made_by, None, None, chosen)
    exporting.export(wanted, out)
    click.echo(f"bundle: {out}")


run(export, "export", program="python -m components.export")
