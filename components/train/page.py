"""The page of a training: how it learnt, what was chosen and why, how the recipes of a sweep compared."""

from collections.abc import Sequence
from pathlib import Path

from binocular.candidate import Candidate, Epoch
from binocular.report.charts import Axis, Line, LineChart, Tone, line_chart
from binocular.report.pages import render
from components.train.sweep import Sweep

PAGE = "training.html"
TEMPLATE = "page.html.j2"


def render_curves(facts: Candidate, sweep: Sweep) -> str:
    """The page as one self-contained file."""
    charts = _charts(facts.history)
    because = {choice.name: choice.because for choice in facts.chosen}
    kept = next((choice.value for choice in facts.chosen if choice.name == "kept"), "")
    return render(
        Path(__file__).parent, TEMPLATE, facts=facts, sweep=sweep, charts=charts, because=because, kept=kept
    )


def _charts(history: Sequence[Epoch]) -> list[LineChart]:
    """Loss and accuracy over all epochs, one phase after the other."""
    places = range(1, len(history) + 1)
    marks = [
        (float(place), each.phase)
        for place, each in zip(places, history, strict=True)
        if each.epoch == 1 and each.phase != history[0].phase
    ]
    best = min(history, key=lambda each: each.validation_loss)
    right = max(history, key=lambda each: each.validation_accuracy)
    return [
        line_chart(
            "Loss",
            f"lowest on validation images: {best.validation_loss:.3f}, epoch {best.epoch} of {best.phase}",
            _lines(history, "loss"),
            Axis("epoch", whole=True),
            Axis("loss", low=0),
            marks,
        ),
        line_chart(
            "Accuracy",
            f"highest on validation images: {right.validation_accuracy:.1%}, epoch {right.epoch} of {right.phase}",
            _lines(history, "accuracy"),
            Axis("epoch", whole=True),
            Axis("right", high=1),
            marks,
        ),
    ]


def _lines(history: Sequence[Epoch], figure: str) -> list[Line]:
    names: tuple[tuple[str, str, Tone], ...] = (
        ("training", figure, "first"),
        ("validation", f"validation_{figure}", "second"),
    )
    lines = []
    for name, field, tone in names:
        points = [(float(place), float(getattr(each, field))) for place, each in enumerate(history, 1)]
        says = tuple(f"{each.phase}, epoch {each.epoch}: {name} {getattr(each, field):.3f}" for each in history)
        lines.append(Line(name, tuple(points), tone, dots=says))
    return lines
