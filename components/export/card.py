"""The model card: what a person wants to know of a version before trusting it, in Hugging Face's format."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from binocular.bundle import TOLERANCE, Bundle
from binocular.report.cards import card
from binocular.verdict import ClassFigures, Verdict

TEMPLATE = "card.md.j2"
TASK = "image-classification"
# What Hugging Face calls our figures; it knows averages as arguments of a metric.
METRICS = {"mcc": "matthews_correlation"}
AVERAGED = ("precision", "recall", "f1", "roc_auc")


def render_card(facts: Bundle, verdict: Verdict, classes: Sequence[ClassFigures]) -> str:
    """The card as Markdown."""
    return card(
        Path(__file__).parent,
        TEMPLATE,
        _front_matter(facts),
        facts=facts,
        verdict=verdict,
        classes=classes,
        snapshot=_snapshot(facts),
        because={choice.name: choice.because for choice in facts.chosen},
        tolerance=f"{TOLERANCE:g}",
        int8=facts.quantization is not None and facts.quantization.taken,
    )


def _front_matter(facts: Bundle) -> dict[str, object]:
    """What programs are told. The license is not ours to name: who shares the model adds it."""
    metrics = list(_metrics(facts.metrics))
    digest = _snapshot(facts)
    dataset = {"name": facts.name, "type": digest, "split": "test", "revision": digest}
    result = {"task": {"type": TASK, "name": "Image Classification"}, "dataset": dataset, "metrics": metrics}
    return {
        "library_name": "tensorflow",
        "pipeline_tag": TASK,
        "tags": [TASK, "tensorflow", "litert", "binocular", facts.architecture],
        "metrics": list(dict.fromkeys(str(each["type"]) for each in metrics)),
        "model-index": [{"name": facts.name, "results": [result]}],
    }


def _metrics(figures: dict[str, float]) -> Iterator[dict[str, object]]:
    for name, value in figures.items():
        average, _, averaged = name.partition("_")
        told: dict[str, object] = {"type": METRICS.get(name, name), "value": round(value, 4)}
        told["name"] = name.replace("_", " ")
        if averaged in AVERAGED:
            told |= {"type": averaged, "args": {"average": average}}
        yield told


def _snapshot(facts: Bundle) -> str:
    return facts.snapshot.digest if facts.snapshot else "unpublished"
