"""`binocular predict` and `binocular retrain`: asking the gateway, as any program would."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from binocular import scheduling
from binocular.cli_runs import pair
from binocular.client import Client
from binocular.parts import gateway_token, gateway_url
from binocular.settings import Settings

console = Console(highlight=False, soft_wrap=True)


@click.command("predict")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="The gateway's whole answer, one line an image.")
@click.option("--wait", "wait_s", default=0, show_default=True, help="Seconds to wait for a model to come.")
@click.pass_obj
def predict(settings: Settings, images: tuple[Path, ...], *, as_json: bool, wait_s: int) -> None:
    """Say what IMAGES show."""
    client = _client(settings, wait_s)
    for path in images:
        found = client.predict(path)
        if as_json:
            click.echo(found.model_dump_json())
            continue
        guess = "" if found.label == found.best_guess else f", perhaps {escape(found.best_guess)}"
        console.print(
            f"{escape(str(path))}: [bold]{escape(found.label)}[/bold]{guess} ({found.confidence:.0%}, version"
            f" {found.model.version}, {found.latency_ms.total:.0f} ms)"
        )


@click.command("retrain")
@click.option("-p", "--param", "given", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.pass_obj
def retrain(settings: Settings, given: tuple[str, ...]) -> None:
    """Train again on what there is and what people sent since. `binocular runs` shows how it goes."""
    parameters: dict[str, Any] = {}
    for name, value in map(pair, given):
        try:
            parameters[name] = json.loads(value)
        except ValueError:
            parameters[name] = value
    started = _client(settings).retrain(**parameters)
    console.print(f"run {started.run_id}: `binocular runs {started.run_id}` shows how it goes", markup=False)


@click.command("schedule")
@click.argument("cron", required=False)
@click.option("-p", "--param", "given", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.option("--off", is_flag=True, help="Start no training at set times any more.")
@click.pass_obj
def schedule(settings: Settings, cron: str | None, given: tuple[str, ...], *, off: bool) -> None:
    """Train again at set times: CRON has six fields from the seconds on, so "0 0 3 * * *" is every night at three.

    Parameters that are not given are the pipeline's own. Without CRON, show when.
    """
    if cron and off:
        raise click.UsageError("either CRON or --off")
    if given and not cron:
        raise click.UsageError("parameters go with CRON")
    if off:
        console.print("no training is started at set times" if scheduling.unschedule(settings) else "none was")
    elif cron:
        new = scheduling.schedule(settings, cron, dict(map(pair, given)))
        console.print(f"trainings are started at {cron}{'' if new else ', as before'}", markup=False)
    else:
        for each in scheduling.scheduled(settings):
            parameters = "".join(f" -p {name}={value}" for name, value in scheduling.told(each).items())
            console.print(f"{scheduling.times(each)}: {each.display_name}{parameters}", markup=False)


def _client(settings: Settings, patience_s: float = 0) -> Client:
    return Client(gateway_url(settings), gateway_token(settings), patience_s=patience_s)
