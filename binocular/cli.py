"""The `binocular` command. Each verb is one function."""

import logging
import sys
import time
from datetime import timedelta
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from binocular import cli_models, cli_predict, cli_runs, cli_tokens, doctor, follow, logs, settings_page, stack
from binocular.commands import run
from binocular.errors import EXIT_FAILED
from binocular.sample import spec
from binocular.settings import Settings, load, unknown_variables
from binocular.state import PartState

EXIT_NOT_RUNNING = 3
MARKS = {"fine": "[green]✓[/green]", "doubtful": "[yellow]![/yellow]", "wrong": "[red]✗[/red]"}
COLOURS = {"ready": "green", "failed": "red", "not answering": "red", "restarting": "yellow"}

console = Console(highlight=False, soft_wrap=True)
log = logging.getLogger(__name__)


def main() -> None:
    """Run the command line."""
    run(cli, "binocular")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="binocular", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Folders of labelled photos in, a classifier that people can trust in production out."""
    context.obj = load()
    logs.configure(context.obj)
    for name in unknown_variables():
        log.warning("ignored: %s", name)


for _verb in (
    cli_runs.run_pipeline,
    cli_runs.show_runs,
    cli_predict.predict,
    cli_predict.retrain,
    cli_predict.schedule,
    cli_models.show_models,
    cli_models.promote,
    cli_models.roll_back,
    cli_models.sign,
    cli_models.prune,
    cli_tokens.issue,
    cli_tokens.show,
    cli_tokens.revoke,
):
    cli.add_command(_verb)


@cli.command()
@click.pass_obj
def up(settings: Settings) -> None:
    """Start every part and wait until all are ready."""
    started = time.monotonic()
    for part in stack.up(settings):
        console.print(f"  [green]ready[/green] {part.name} after {time.monotonic() - started:.1f} s: {part.url}")
    console.print("running; `binocular status` shows how it is, `binocular down` stops it")


@cli.command()
@click.pass_obj
def down(settings: Settings) -> None:
    """Stop every part, also after a crash."""
    console.print("stopped" if stack.down(settings) else "nothing was running")


@cli.command()
@click.pass_obj
def status(settings: Settings) -> None:
    """Show each part: condition, since when, restarts, memory, address. Exit code 0 if all are ready."""
    running, parts = stack.status(settings)
    if not running:
        left = (
            " after its supervisor ended; `binocular down` cleans up, `binocular up` starts afresh"
            if parts
            else ""
        )
        console.print(f"not running{left}")
        sys.exit(EXIT_NOT_RUNNING)
    table = Table("part", "condition", "since", "restarts", "memory", "pid", "address", box=None, pad_edge=False)
    for part in parts:
        table.add_row(*_row(part))
    console.print(table)
    for part in parts:
        if part.reason:
            console.print(f"{part.name}: {part.reason}; its log: {part.log}", style="yellow", markup=False)
    stack.ask_for_room(settings)  # without it, what is shown is what was known when there was some
    if any(part.condition != "ready" for part in parts):
        sys.exit(EXIT_NOT_RUNNING)


def _row(part: PartState) -> list[str | Text]:
    since = str(timedelta(seconds=round(time.time() - part.since)))
    try:
        memory = f"{psutil.Process(part.pid).memory_info().rss / 2**20:.0f} MB" if part.pid else ""
    except psutil.Error:
        memory = ""
    condition = Text(part.condition, style=COLOURS.get(part.condition, ""))
    return [part.name, condition, since, str(part.restarts), memory, str(part.pid or ""), part.url]


@cli.command("doctor")
@click.pass_obj
def examine(settings: Settings) -> None:
    """Check this machine and every part: what is wrong, and how to mend it. Exit code 1 if anything is."""
    wrong = 0
    for finding in doctor.examine(settings):
        wrong += finding.level == "wrong"
        console.print(f"{MARKS[finding.level]} {finding.what}: {escape(finding.says)}")
        if finding.mend:
            console.print(f"    {escape(finding.mend)}", style="bold")
    if wrong:
        console.print(f"{wrong} wrong")
        sys.exit(EXIT_FAILED)


@cli.command("logs")
@click.argument("names", nargs=-1, metavar="[PART]...")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Lines to begin with, of each part.",
)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on as lines are written.")
@click.pass_obj
def show_logs(settings: Settings, names: tuple[str, ...], lines: int, following: bool) -> None:
    """Show the end of the logs of all parts, or of those named."""
    for name, line in follow.lines(settings, names, lines, following=following):
        click.echo(f"{name:<10} {line}")


@cli.command("settings")
@click.option("--markdown", is_flag=True, help="The reference page, without this machine's values.")
@click.pass_obj
def show_settings(settings: Settings, markdown: bool) -> None:
    """Show every setting, its value and where it came from. Secrets are masked."""
    if markdown:
        click.echo(settings_page.render(), nl=False)
        return
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for name in Settings.model_fields:
        origin = settings.origin(name)
        table.add_row(name, escape(settings.shown(name)), origin, style="" if origin == "default" else "bold")
    console.print(table)


@cli.command("sample")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--images", type=click.IntRange(min=1), default=spec.IMAGES, show_default=True, help="Images in each class."
)
@click.option(
    "--size",
    type=click.IntRange(min=spec.SMALLEST),
    default=spec.SIZE,
    show_default=True,
    help="Width and height in pixels.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Another seed draws other images.",
)
@click.option("--split", is_flag=True, help="Lay it out as train/<class> and test/<class>.")
@click.option(
    "--plant",
    multiple=True,
    type=click.Choice(spec.FAULTS),
    help="A known fault to plant; may be repeated.",
)
def make_sample(
    folder: Path, images: int, size: int, seed: int, split: bool, plant: tuple[spec.Fault, ...]
) -> None:
    """Draw the bundled sample, six classes of waste, into FOLDER."""
    from binocular.sample.drawing import write  # noqa: PLC0415 - numpy and Pillow, which no other verb needs

    wanted = spec.Spec(images=images, size=size, seed=seed, split=split, plant=plant)
    with click.progressbar(length=wanted.total, label="drawing", file=sys.stderr) as bar:
        planted = write(folder, wanted, lambda: bar.update(1))
    for fault in planted:
        console.print(f"planted {fault.fault}: {', '.join(fault.files)}", markup=False)
    console.print(f"{wanted.total} images in {len(spec.CLASSES)} classes: {folder}", markup=False)
