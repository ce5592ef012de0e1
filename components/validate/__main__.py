"""The step on local folders: `python -m components.validate --snapshot FOLDER --out FOLDER`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from binocular import snapshot as snapshots
from binocular.commands import run
from components.validate.report import Report
from components.validate.thresholds import Thresholds, options
from components.validate.validation import PAGE, validate, write

# The folder is not fit to train on; the report says why.
EXIT_UNFIT = 1


def main() -> None:
    """Run the command line; its exit code tells whether the snapshot is fit."""
    report = run(command, "validate", program="python -m components.validate")
    if isinstance(report, Report) and not report.passed:
        sys.exit(EXIT_UNFIT)


def _threshold_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each threshold, with its meaning as help."""
    for name, kind, default, meaning in reversed(options()):
        flag = f"--{name.replace('_', '-')}"
        flags = f"{flag}/--no-{name.replace('_', '-')}" if kind is bool else flag
        option = click.option(flags, name, type=kind, default=default, show_default=True, help=meaning)
        function = option(function)
    return function


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--snapshot", "folder", required=True, type=click.Path(path_type=Path), help="The snapshot to validate."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the report goes.")
@click.option("--champion", type=click.Path(path_type=Path), help="The snapshot that the champion learnt from.")
@_threshold_options
def command(folder: Path, out: Path, champion: Path | None, **thresholds: float) -> Report:
    """Say whether a snapshot is fit to train on, and what is left out.

    Exit code 0 if it is, 1 if it is not; the report is written in either case.
    """
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
