"""`python -m benchmarks predict`: measure, print, and with --docs put the figures into docs/performance.md."""

from collections.abc import Callable
from functools import partial

import click

from benchmarks import page, predict
from benchmarks.page import Table
from benchmarks.timing import SHOW, machine


@click.command()
@click.argument("what", nargs=-1, type=click.Choice(["predict"]))
@click.option("--rounds", default=5, show_default=True, help="Turns of each contestant; the median counts.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of a turn.")
@click.option("--alpha", default=1.0, show_default=True, help="Width of the MobileNetV2.")
@click.option("--peers/--no-peers", default=True, help="Also what people would use instead.")
@click.option("--docs", is_flag=True, help="Write docs/performance.md.")
def main(what: tuple[str, ...], rounds: int, seconds: float, alpha: float, *, peers: bool, docs: bool) -> None:
    """Measure the subjects, or all of them."""
    subjects: dict[str, Callable[[], Table]] = {
        "predict": partial(predict.measure, rounds, seconds, alpha=alpha, peers=peers),
    }
    for name in what or subjects:
        where = machine()
        SHOW.print(f"[bold]{name}[/]")
        table = subjects[name]()
        page.show(table)
        if docs:
            page.write(name, table, where)


if __name__ == "__main__":
    main()
