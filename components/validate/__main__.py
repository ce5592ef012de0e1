"""The step on local folders: `python -m components.validate --snapshot FOLDER --out FOLDER`."""

import sys
from pathlib import Path

import click

from binocular import logs
from binocular import snapshot as snapshots
from binocular.commands import run
from binocular.parameters import with_options
from binocular.settings import load
from components.validate.report import Report
from components.validate.thresholds import Thresholds
from components.validate.validation import PAGE, validate, write

# The folder is not fit to train on; the report says why.
EXIT_UNFIT = 1


def main() -> None:
    """Run the command line; its exit code tells whether the snapshot is fit."""
    report = run(command, "validate", program="python -m components.validate")
    if isinstance(report, Report) and not report.passed:
        sys.exit(EXIT_UNFIT)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--snapshot", "folder", required=True, type=click.Path(path_type=Path), help="The snapshot to validate."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the report goes.")
@click.option("--champion", type=click.Path(path_type=Path), help="The snapshot that the champion learnt from.")
@with_options(Thresholds)
def command(folder: Path, out: Path, champion: Path | None, **thresholds: float) -> Report:
    """Say whether a snapshot is fit to train on, and what is left out.

    Exit code 0 if it is, 1 if it is not; the report is written in either case.
    """
    logs.configure(load())
    drawn = Thresholds(**thresholds)  # type: ignore[arg-type]
    frozen = snapshots.read(folder)
    report = validate(frozen, folder, drawn, snapshots.read(champion) if champion else None)
    write(report, frozen, folder, out)
    for finding in report.findings:
        click.echo(f"{finding.severity}: {finding.message}")
    click.echo(f"{report.verdict}: {out / PAGE}")
    return report


if __name__ == "__main__":
    main()
