"""The page's figures as plain values: tiles, a row a class, the confusion matrix, curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from binocular.report.charts import Axis, Line, LineChart, Tone, line_chart
from binocular.report.words import counted, percent
from components.evaluate.curves import Curve
from components.evaluate.evidence import Comparison, Evidence, Judged, overall
from components.evaluate.measures import ClassMeasures, Measures
from components.evaluate.uncertainty import Interval

# Of more classes than this, the most confused pairs are listed instead of a matrix nobody could read.
MOST_MATRIX_CLASSES: Final = 24
MOST_PAIRS: Final = 20
MOST_PAIRS_BESIDE_MATRIX: Final = 8
# Of more classes, those recognised worst are shown.
MOST_CLASS_ROWS: Final = 60
MOST_FAINT_CURVES: Final = 24
LEAST_IN_BIN: Final = 3
NOT_KNOWN: Final = "\N{EN DASH}"

Direction = Literal["good", "bad", "even"]


@dataclass(frozen=True)
class _Metric:
    """A figure that has a tile."""

    name: str
    title: str
    means: str
    share: bool = False  # written as a percentage
    less_is_better: bool = False


_METRICS: Final = (
    _Metric("accuracy", "accuracy", "share of right answers", share=True),
    _Metric("balanced_accuracy", "balanced accuracy", "the same, each class counting the same", share=True),
    _Metric("macro_f1", "macro F1", "precision and recall in one, averaged over the classes", share=True),
    _Metric("mcc", "MCC", "correlation of answers and labels; 0 is guessing, 1 perfect"),
    _Metric("top_2_accuracy", "top-2 accuracy", "share where the right label is among the best two", share=True),
    _Metric("roc_auc", "ROC AUC", "how well a class is ranked above the others, averaged over the classes"),
    _Metric("log_loss", "log loss", "how surprised it is by the right labels; 0 is best", less_is_better=True),
    _Metric(
        "calibration_error",
        "calibration error",
        "how far confidence and accuracy are apart; 0 is best",
        less_is_better=True,
    ),
)


@dataclass(frozen=True)
class Tile:
    """One figure of the candidate, and the champion's."""

    title: str
    means: str
    value: str
    interval: str | None
    champion: str | None
    change: str | None
    direction: Direction


@dataclass(frozen=True)
class ClassRow:
    """How one class is recognised; shares are from 0 to 1."""

    label: str
    images: int
    recall: float | None
    interval: Interval | None
    champion: float | None
    change: str | None
    direction: Direction
    precision: float | None
    f1: float | None


@dataclass(frozen=True)
class Cell:
    """How many images of a class got an answer."""

    images: int
    share: float  # of the class's images
    right: bool
    says: str


@dataclass(frozen=True)
class Pair:
    """A class taken for another."""

    label: str
    answer: str
    images: int
    share: float


def tiles(evidence: Evidence) -> list[Tile]:
    """The main figures."""
    measures = evidence.candidate.measures
    if measures is None:
        return []
    before = overall(evidence.champion)
    # Where the class lists differ, the champion's figures are on other images: side by side, but no difference.
    same_images = not (evidence.comparison and (evidence.comparison.added or evidence.comparison.removed))
    return [
        _tile(metric, measures, before.get(metric.name), same_images=same_images)
        for metric in _METRICS
        if metric.name in measures.overall
    ]


def _tile(metric: _Metric, measures: Measures, before: float | None, *, same_images: bool) -> Tile:
    share, value = metric.share, measures.overall[metric.name]
    interval = measures.intervals.get(metric.name)
    change = value - before if before is not None and same_images else None
    gain = 0.0 if change is None else -change if metric.less_is_better else change
    return Tile(
        metric.title,
        metric.means,
        _written(value, share=share),
        f"{_written(interval[0], share=share)} to {_written(interval[1], share=share)}" if interval else None,
        None if before is None else _written(before, share=share),
        None if change is None else _signed(change, share=share),
        _direction(gain),
    )


def class_rows(evidence: Evidence) -> tuple[list[ClassRow], int]:
    """The classes, and how many of those that are recognised best are not shown."""
    measures = evidence.candidate.measures
    if measures is None:
        return [], 0
    every = measures.classes
    if len(every) > MOST_CLASS_ROWS:
        every = tuple(
            sorted(every, key=lambda each: (each.recall if each.recall is not None else 2.0, each.label))
        )
    rows = [_class_row(each, evidence.comparison) for each in every[:MOST_CLASS_ROWS]]
    return rows, max(0, len(every) - MOST_CLASS_ROWS)


def _class_row(each: ClassMeasures, compared: Comparison | None) -> ClassRow:
    paired = compared.classes.get(each.label) if compared else None
    before = paired.recognised.champion if paired else None
    change = None if before is None or each.recall is None else each.recall - before
    new = compared is not None and each.label in compared.added
    return ClassRow(
        each.label,
        each.images,
        each.recall,
        each.recall_interval,
        before,
        _signed(change, share=True) if change is not None else "new" if new else None,
        _direction(change or 0.0),
        each.precision,
        each.f1,
    )


def matrix(measures: Measures) -> list[tuple[str, list[Cell]]]:
    """The confusion matrix, a row a true class; empty where there are too many classes to read it."""
    labels = [each.label for each in measures.classes]
    if len(labels) > MOST_MATRIX_CLASSES:
        return []
    return [
        (
            label,
            [
                Cell(images, images / max(1, sum(row)), label == answer, _cell_says(label, answer, images))
                for answer, images in zip(labels, row, strict=True)
            ],
        )
        for label, row in zip(labels, measures.confusion, strict=True)
    ]


def _cell_says(label: str, answer: str, images: int) -> str:
    if label == answer:
        return f"{counted(images, 'image')} of {label} recognised"
    return f"{counted(images, 'image')} of {label} taken for {answer}"


def confused(measures: Measures) -> list[Pair]:
    """The pairs of classes that are confused most often; fewer where there is a matrix as well."""
    labels = [each.label for each in measures.classes]
    most = MOST_PAIRS if len(labels) > MOST_MATRIX_CLASSES else MOST_PAIRS_BESIDE_MATRIX
    pairs = [
        Pair(label, answer, images, images / sum(row))
        for label, row in zip(labels, measures.confusion, strict=True)
        for answer, images in zip(labels, row, strict=True)
        if images and label != answer
    ]
    return sorted(pairs, key=lambda pair: (-pair.images, -pair.share, pair.label, pair.answer))[:most]


def charts(evidence: Evidence) -> list[LineChart]:
    """Reliability, ROC and precision-recall."""
    measures = evidence.candidate.measures
    if measures is None or not measures.images:
        return []
    before = evidence.champion.measures if evidence.champion else None
    return [_reliability(measures, before), *_ranking(measures, before)]


def _reliability(measures: Measures, before: Measures | None) -> LineChart:
    ideal = Line("ideal", ((0.0, 0.0), (1.0, 1.0)), "faint", dashed=True)
    lines = [
        ideal,
        *([_bins(before, "champion", "second")] if before else []),
        _bins(measures, "candidate", "first"),
    ]
    says = "where the line is below the diagonal, the model is surer than it is right"
    return line_chart(
        "Can its confidence be trusted?", says, lines, Axis("confidence", 0, 1), Axis("share right", 0, 1)
    )


def _bins(measures: Measures, name: str, tone: Tone) -> Line:
    # A few images in a bin say nothing; evaluation.json has them all the same.
    least = max(LEAST_IN_BIN, measures.images // 100)
    bins = [each for each in measures.calibration if each.images >= least]
    return Line(
        name,
        tuple((each.confidence, each.accuracy) for each in bins),
        tone,
        dots=tuple(
            f"{counted(each.images, 'image')} answered with {percent(each.low)} to {percent(each.high)}: "
            f"{percent(each.accuracy)} right"
            for each in bins
        ),
    )


def _ranking(measures: Measures, before: Measures | None) -> list[LineChart]:
    drawn = []
    if measures.roc:
        classes = [
            Line("" if place else "each class", _points(each.roc), "faint")
            for place, each in enumerate([each for each in measures.classes if each.roc][:MOST_FAINT_CURVES])
            if each.roc
        ]
        lines = [*classes, *_both(measures.roc, before.roc if before else None)]
        says = f"area {measures.overall['roc_auc']:.3f} on average over the classes" if classes else ""
        axes = Axis("false alarms", 0, 1), Axis("found", 0, 1)
        drawn.append(line_chart("How well are classes told apart? (ROC)", says, lines, *axes))
    if measures.precision_recall:
        lines = _both(measures.precision_recall, before.precision_recall if before else None)
        area = measures.overall.get("pr_auc")
        says = f"area {area:.3f} on average over the classes" if area is not None else ""
        axes = Axis("recall", 0, 1), Axis("precision", 0, 1)
        drawn.append(line_chart("Precision and recall", says, lines, *axes))
    return drawn


def _both(curve: Curve, before: Curve | None) -> list[Line]:
    lines = [Line("champion", _points(before), "second")] if before else []
    return [*lines, Line("candidate", _points(curve), "first")]


def _points(curve: Curve) -> tuple[tuple[float, float], ...]:
    return tuple(zip(curve.x, curve.y, strict=True))


def costs(evidence: Evidence) -> list[tuple[str, Sequence[str]]]:
    """What each model is and takes: a row a fact."""
    models = [evidence.candidate, *([evidence.champion] if evidence.champion else [])]
    return [
        ("architecture", [each.architecture for each in models]),
        ("input", [f"{each.height} x {each.width} pixels" if each.height else NOT_KNOWN for each in models]),
        ("classes", [f"{len(each.classes):,}" if each.classes else NOT_KNOWN for each in models]),
        ("files", [f"{each.size / 1e6:,.1f} MB" if each.size else NOT_KNOWN for each in models]),
        ("one image, median", [_milliseconds(each, "p50") for each in models]),
        ("one image, 95 % within", [_milliseconds(each, "p95") for each in models]),
        ("learnt from snapshot", [each.snapshot or "unknown" for each in models]),
    ]


def _milliseconds(judged: Judged, which: str) -> str:
    return f"{getattr(judged.latency, which):.1f} ms" if judged.latency else NOT_KNOWN


def _written(value: float, *, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3f}"


def _signed(change: float, *, share: bool) -> str:
    written = f"{100 * change:+.1f}" if share else f"{change:+.3f}"
    return "±0" if not float(written) else written.replace("-", "\N{MINUS SIGN}")


def _direction(gain: float) -> Direction:
    return "even" if abs(gain) < 5e-4 else "good" if gain > 0 else "bad"  # noqa: PLR2004 - what is written as ±0
