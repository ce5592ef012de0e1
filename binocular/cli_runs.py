"""`binocular run` and `binocular runs`: starting pipelines and watching them."""

import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from binocular.errors import (
    BinocularError,
    PipelinesUnavailableError,
    RequestError,
    RunFailedError,
)
from binocular.flow import ENDED
from binocular.logs import said
from binocular.pipelines import Theirs
from binocular.runs import Runs, Step, chosen, steps
from binocular.scheduling import own_package
from binocular.settings import Settings

POLL_S = 1.0
PATIENCE_S = 60.0
NEWEST = 20
ID_CHARACTERS = 36
LONGEST_NOTE = 100
VERDICTS = ("decision", "verdict")
COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "CANCELED": "red", "CANCELING": "yellow", "RUNNING": "cyan"}

console = Console(highlight=False, soft_wrap=True)


@click.command("run")
@click.argument("package", type=click.Path(path_type=Path), required=False)
@click.option("-p", "--param", "given", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.option("--name", default="", help="What to call the run.  [default: the package's name and the time]")
@click.option("--no-cache", is_flag=True, help="Do every step, also those whose result is known.")
@click.option("--detach", is_flag=True, help="Only start it.")
@click.pass_obj
def run_pipeline(
    settings: Settings, package: Path | None, given: tuple[str, ...], name: str, *, no_cache: bool, detach: bool
) -> None:
    """Run PACKAGE, or the project's own pipeline, and watch it. Exit code 0 if it succeeded."""
    wanted, parameters = package or own_package(), dict(map(pair, given))
    if not package:  # the model that the other parts serve
        parameters.setdefault("name", settings.model_name)
    runs = Runs(settings)
    title = name or f"{wanted.stem} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    run_id = runs.submit(wanted, parameters, title, cache=False if no_cache else None)
    console.print(f"run {run_id}", markup=False)
    if not detach:
        watch(runs, run_id)


@click.command("runs")
@click.argument("run_id", required=False)
@click.option("--logs", "step_name", metavar="STEP", help="Show the log of a step of the run.")
@click.pass_obj
def show_runs(settings: Settings, run_id: str | None, step_name: str | None) -> None:
    """Show the newest runs, or the steps of one, or the log of a step."""
    runs = Runs(settings)
    if run_id is None:
        if step_name:
            raise click.UsageError("--logs needs the id of a run")
        console.print(_list(runs.newest(NEWEST)))
        return
    run = runs.get(run_id)
    if step_name:
        click.echo(runs.log(chosen(steps(run), step_name)), nl=False)
        return
    console.print(_view(run, {}))
    if failed := _failure(run):
        console.print(failed, style="red", markup=False)


def watch(runs: Runs, run_id: str) -> None:
    """Follow a run to its end; RunFailedError says which step failed and why. Ctrl-C asks what to do."""
    while True:
        try:
            run = _follow(runs, run_id)
            break
        except KeyboardInterrupt:
            answer = click.prompt(
                "\ndetach (the run goes on) or cancel it?",
                type=click.Choice(["detach", "cancel"]),
                default="detach",
            )
            if answer == "detach":
                console.print(f"detached; `binocular runs {run_id}` shows how it goes")
                return
            runs.terminate(run_id)
    if failure := _failure(run):
        raise RunFailedError(failure)
    console.print(f"[green]{run.state}[/green] in {_took(run)}{escape(_verdict(run))}")


def _follow(runs: Runs, run_id: str) -> Theirs:
    """Draw the run until it has ended: a live table on a terminal, else a line for each change."""
    seen: dict[str, str] = {}
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        while True:
            run = _patiently(runs, run_id)
            if live is not None:
                live.update(_view(run, _progress(runs, run)), refresh=True)
            else:
                _print_changes(run, seen)
            if run.state in ENDED:
                return run
            time.sleep(POLL_S)


def _patiently(runs: Runs, run_id: str) -> Theirs:
    """The run, also where the API is started again meanwhile: the run outlives that, and so do we."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return runs.get(run_id)
        except PipelinesUnavailableError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL_S)


def _print_changes(run: Theirs, seen: dict[str, str]) -> None:
    for step in steps(run):
        if seen.get(step.path, "PENDING") != step.state and not step.is_group:
            seen[step.path] = step.state
            console.print(f"{step.state:<10} {step.called}", markup=False)


def _view(run: Theirs, notes: dict[str, str]) -> Group:
    table = Table("step", "state", "time", "", box=None, pad_edge=False)
    for step in _shown(steps(run)):
        note = "result was known" if step.cached else notes.get(step.path) or _first_line(step.error)
        style = "dim" if step.state == "SKIPPED" else ""
        state = Text(step.state.lower(), style=COLOURS.get(step.state, "dim"))
        took = _seconds(step.took) if step.took else ""
        table.add_row(Text(step.called, style=style), state, took, Text(note[:LONGEST_NOTE]))
    title = Text.assemble(
        f"{run.display_name}: ", (run.state.lower(), COLOURS.get(run.state, "")), f", {_took(run)}"
    )
    return Group(title, table)


def _shown(found: list[Step]) -> list[Step]:
    """The steps without the groups around them, but for a group that failed by itself."""
    failed = any(step.state == "FAILED" and not step.is_group for step in found)
    return [step for step in found if not step.is_group or (step.state == "FAILED" and not failed)]


def _list(found: list[Theirs]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("id", min_width=ID_CHARACTERS)  # to be copied: never cut off
    for title in ("run", "state", "began", "time"):
        table.add_column(title)
    for run in found:
        state = Text(run.state.lower(), style=COLOURS.get(run.state, ""))
        table.add_row(run.run_id, Text(run.display_name), state, f"{run.created_at:%Y-%m-%d %H:%M}", _took(run))
    return table


def _progress(runs: Runs, run: Theirs) -> dict[str, str]:
    """The last line that each running step has logged, by its path."""
    found = {}
    for step in steps(run):
        if step.state == "RUNNING" and step.log and not step.is_group:
            try:
                lines = runs.log(step).splitlines()
            except BinocularError:
                continue  # nothing is stored yet
            found[step.path] = said(lines[-1]) if lines else ""
    return found


def _failure(run: Theirs) -> str:
    """Why a run failed: the first step that did, the end of its log, and where the whole is; "" if it did not."""
    if run.state != "FAILED":
        return ""
    failed = [step for step in steps(run) if step.state == "FAILED"]
    step: Step | None = next((each for each in failed if not each.is_group), next(iter(failed), None))
    if step is None or (run.error and run.error.message == "terminated on request"):
        return f"run {run.run_id} failed: {run.error.message if run.error else 'see its steps'}"
    where = f"\nthe whole log: `binocular runs {run.run_id} --logs {step.called}`" if step.log else ""
    return f"{step.name} failed: {step.error}{where}{f' ({step.log})' if step.log else ''}"


def _verdict(run: Theirs) -> str:
    """What a step decided, where one did."""
    said = [step.outputs[name].strip('"') for step in steps(run) for name in VERDICTS if name in step.outputs]
    return f": {said[-1]}" if said else ""


def _took(run: Theirs) -> str:
    ended = run.state in ENDED and run.finished_at
    return _seconds((run.finished_at if ended else datetime.now(UTC)) - run.created_at)


def _seconds(took: timedelta) -> str:
    whole = max(0, round(took.total_seconds()))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"  # noqa: PLR2004 - seconds


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


def pair(text: str) -> tuple[str, str]:
    """The name and the value of an option `--param`."""
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise RequestError(f"--param {text!r}: expected NAME=VALUE")
    return name, value
