"""What requests and answers about runs hold."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from binocular.messages import Message

Figures = dict[str, float]
Number = float | None


class RunSummary(Message):
    """A run, as a list shows it."""

    id: str
    name: str
    state: str
    created_at: datetime | None = None
    finished_at: datetime | None = None
    started_by: Literal["gateway", "schedule", "pipelines"] = Field(
        description="'pipelines': by somebody who asked the pipelines API, such as the command line."
    )
    decision: Literal["promote", "reject"] | None = Field(None, description="What the gate decided.")
    version: int | None = Field(None, description="Under which version the candidate was let in.")
    summary: str | None = Field(None, description="The decision in one sentence.")
    error: str | None = Field(None, description="Why the run failed.")


class RunList(Message):
    """Runs, the newest first."""

    runs: list[RunSummary]


class StepProgress(Message):
    """How far a step is, as it said last."""

    event: str = Field(description="What it is doing.")
    done: float
    total: Number = None
    unit: str
    eta_s: Number = Field(None, description="How long this may still take, as it was estimated at `at`.")
    at: str
    figures: Figures


class RunStep(Message):
    """A step of a run."""

    name: str
    path: str = Field(description="Tells steps of one name apart.")
    after: list[str] = Field(description="The paths of the steps that it waits for: the edges of the graph.")
    state: str
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: Number = None
    cached: bool = Field(description="An earlier result was taken.")
    attempts: int
    error: str | None = None
    has_log: bool
    has_report: bool = Field(description="Whether such a step writes a page for people.")
    progress: StepProgress | None = Field(None, description="Of a step that runs and has said how far it is.")


class Reason(Message):
    """One rule of the gate and how it came out."""

    rule: str
    passed: bool
    noted: bool
    text: str


class Decision(Message):
    """What was decided about the run's candidate."""

    decision: str
    summary: str
    version: int | None = Field(None, description="Under which version it was let in.")
    champion: int | None = Field(None, description="The version it was compared with.")
    snapshot: str = Field(description="The digest of the data it was judged on.")
    images: int = Field(description="Images that both were asked about.")
    reasons: list[Reason]
    candidate_metrics: Figures
    champion_metrics: Figures
    artifacts: dict[str, str] = Field(description="The pages and files that the verdict rests on.")


class RunDetail(RunSummary):
    """A run with its graph and, once there is one, the verdict."""

    steps: list[RunStep] = Field(description="Each behind those that it waits for.")
    parameters: dict[str, Any] = Field(description="What it runs with, defaults included.")
    changed: dict[str, Any] = Field(description="The parameters that are not at their defaults, with those.")
    verdict: Decision | None = None


class LogQuery(Message):
    """Which part of a log is wanted."""

    start: int = Field(
        0, alias="from", description="The byte to begin at, as `next` told; below 0: so many from the end."
    )


class StepLog(Message):
    """A part of a step's log."""

    text: str
    start: int = Field(description="The byte it begins at: 0 again where the log began anew.")
    next: int = Field(description="What to ask from next.")
    size: int
    ended: bool = Field(description="Nothing will be added to it.")


class EpochFigures(Message):
    """One pass over the training images."""

    phase: str
    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


class Chosen(Message):
    """A value that was chosen for the data, and why."""

    name: str
    value: str
    because: str


class EnergyUsed(Message):
    """What the training took, as it is estimated."""

    kwh: float
    co2_kg: float
    country: str


class TrainingFacts(Message):
    """How the candidate of a run was trained."""

    architecture: str
    weights: str
    classes: list[str]
    image: list[int] = Field(description="Height and width of what it sees.")
    images: dict[str, int] = Field(description="How many of each split it used.")
    recipe: dict[str, Any]
    chosen: list[Chosen]
    history: list[EpochFigures]
    validation: Figures
    seconds: Figures
    energy: EnergyUsed | None = None


class ClassFigures(Message):
    """How one class is recognised; what is not defined for it is left out."""

    label: str
    images: int
    precision: Number = None
    recall: Number = None
    f1: Number = None


class ModelFigures(Message):
    """How one model did on the test images; without figures, `fault` says why."""

    architecture: str
    fault: str | None = None
    overall: Figures
    intervals: dict[str, tuple[float, float]] = Field(description="95 %, where one is known.")
    classes: list[ClassFigures]
    confusion: list[list[int]] = Field(description="[true class][answer], in the order of `classes`.")
    latency_ms: Figures = Field(description="p50 and p95 of one image, on the machine of the evaluation.")
    size: int = Field(description="Bytes of its files.")


class EvaluationFacts(Message):
    """What the verdict rests on."""

    images: int
    candidate: ModelFigures
    champion: ModelFigures | None = None
    champion_version: int | None = None
    fixed: int | None = Field(None, description="Images right now that the champion got wrong.")
    broken: int | None = Field(None, description="Images wrong now that the champion got right.")


class DataFinding(Message):
    """Something that a check of the data found."""

    check: str
    title: str
    severity: Literal["hard", "soft"]
    message: str
    total: int
    left_out: int


class ValidationFacts(Message):
    """Whether the data was fit to train on."""

    passed: bool
    verdict: str
    snapshot: str
    images: int
    unreadable: int
    quarantined: int
    counts: dict[str, dict[str, int]] = Field(description="Images by split and class.")
    findings: list[DataFinding]


class ParameterMember(Message):
    """One value of a parameter that is an object."""

    name: str
    type: str
    default: Any = None
    description: str
    least: Number = None
    most: Number = None


class PipelineParameter(ParameterMember):
    """A parameter of the pipeline, with what is known of what it accepts."""

    group: str
    choices: list[str] | None = None
    members: list[ParameterMember] | None = Field(None, description="Of an object: what it may hold.")


class Pipeline(Message):
    """What a training may be told."""

    name: str
    description: str
    parameters: list[PipelineParameter] = Field(description="In the order of a form.")
