"""The step on local folders: `python -m components.evaluate --snapshot FOLDER --candidate FOLDER --out FOLDER`."""

from pathlib import Path

import click

from binocular import logs
from binocular.commands import run
from binocular.parameters import with_options
from binocular.settings import load
from binocular.verdict import Verdict
from components.evaluate.gate import Gate

FOLDER = click.Path(path_type=Path)
FOLDER_THAT_IS_THERE = click.Path(path_type=Path, exists=True, file_okay=False)


def main() -> None:
    """Run the command line. A rejection is a normal end: its exit code is 0 too."""
    run(command, "evaluate", program="python -m components.evaluate")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--snapshot", required=True, type=FOLDER, help="The snapshot whose test split judges.")
@click.option("--candidate", required=True, type=FOLDER, help="What training wrote.")
@click.option("--out", required=True, type=FOLDER, help="Where verdict and report go.")
@click.option(
    "--validation", type=FOLDER_THAT_IS_THERE, help="Validation's report; what it leaves out is left out."
)
@click.option("--champion", type=FOLDER_THAT_IS_THERE, help="The published version that serves now.")
@click.option("--champion-version", type=int, help="Its number; the folder's name if that is one.")
@with_options(Gate)
def command(
    snapshot: Path,
    candidate: Path,
    out: Path,
    validation: Path | None,
    champion: Path | None,
    champion_version: int | None,
    **thresholds: float,
) -> Verdict:
    """Say whether a candidate may replace the champion, and why.

    Exit code 0 for either verdict: a rejection is an answer, not a failure.
    """
    gate = Gate(**thresholds)  # type: ignore[arg-type]
    # The libraries that models need take seconds; a wrong option should not wait for them.
    from components.evaluate.evaluation import PAGE, Question, evaluate, write  # noqa: PLC0415

    logs.configure(load())
    if champion is not None and champion_version is None and champion.absolute().name.isdecimal():
        champion_version = int(champion.absolute().name)
    evaluation = evaluate(Question(snapshot, candidate, champion, champion_version, validation, gate))
    write(evaluation, out)
    for reason in evaluation.verdict.reasons:
        click.echo(f"{'broken' if not reason.passed else 'noted' if reason.noted else 'kept'}: {reason.text}")
    click.echo(f"{evaluation.verdict.summary}: {out / PAGE}")
    return evaluation.verdict


if __name__ == "__main__":
    main()
