"""`python -m benchmarks predict`: measure, print, and with --docs put the figures into docs/performance.md."""

import signal
import sys
from collections.abc import Callable
from functools import partial

import click

from benchmarks import demo, gate, heavier, page, predict, scale, serving, training
from benchmarks.page import Table
from benchmarks.timing import SHOW, machine

SIDE = 160
SUBJECTS = ("predict", "heavier", "serving", "train", "retrain", "scale", "demo", "gate")


@click.command()
@click.argument("what", nargs=-1, type=click.Choice(SUBJECTS))
@click.option("--rounds", default=5, show_default=True, help="Turns of each contestant; the median counts.")
@click.option("--seconds", default=4.0, show_default=True, help="Length of a turn.")
@click.option("--alpha", default=1.0, show_default=True, help="Width of the MobileNetV2.")
@click.option("--weights", default="imagenet", show_default=True, help="What training starts from; or a file.")
@click.option("--photos", default=60, show_default=True, help="Photos a class to train on.")
@click.option(
    "--images", multiple=True, default=(1000, 10_000, 100_000), show_default=True, help="Sizes for scale."
)
@click.option("--draws", default=1000, show_default=True, help="Test sets of each kind for the gate.")
@click.option("--peers/--no-peers", default=True, help="Also what people would use instead.")
@click.option("--docs", is_flag=True, help="Write docs/performance.md.")
def main(
    what: tuple[str, ...],
    rounds: int,
    seconds: float,
    alpha: float,
    weights: str,
    photos: int,
    images: tuple[int, ...],
    draws: int,
    *,
    peers: bool,
    docs: bool,
) -> None:
    """Measure these subjects, or all of them."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started for it ends as well
    start = training.Start(photos, weights, alpha, SIDE)
    subjects: dict[str, Callable[[], Table]] = {
        "predict": partial(predict.measure, rounds, seconds, alpha=alpha, side=SIDE, peers=peers),
        "heavier": partial(heavier.measure, rounds, seconds),
        "serving": partial(serving.measure, alpha, SIDE, rounds, seconds),
        "train": partial(training.against_plain_fit, start),
        "retrain": partial(training.again, start),
        "scale": partial(scale.measure, images),
        "demo": demo.measure,
        "gate": partial(gate.measure, draws),
    }
    for name in what or SUBJECTS:
        where = machine()
        SHOW.print(f"[bold]{name}[/]")
        table = subjects[name]()
        page.show(table)
        if docs:
            page.write(name, table, where)


if __name__ == "__main__":
    main()
