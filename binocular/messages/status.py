"""What answers about the gateway's own state hold."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from binocular.messages import Message


class RequestCount(Message):
    """Requests by what they asked and how they ended."""

    route: str
    status: str
    count: int


class LatencyQuantiles(Message):
    """Seconds below which these shares of predictions were answered."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Waiting(Message):
    """Labelled images that the model in production has not learnt from; of many, as of some seconds ago."""

    uploads: int
    feedback: int


class Status(Message):
    """How the gateway and what is behind it are."""

    uptime_s: float = Field(description="Of the process that answered.")
    model: str
    production: int | None = None
    available: list[int] = Field(description="Versions that the model server answers with.")
    requests: list[RequestCount]
    predict_s: LatencyQuantiles
    labels: dict[str, float] = Field(description="The share of each label among the predictions.")
    waiting: Waiting


class Part(Message):
    """Something that the gateway asks."""

    name: Literal["store", "pipelines", "model", "puller"]
    answers: bool
    ms: float = Field(description="How long its answer, or its failure, took.")
    says: str


class Parts(Message):
    """Everything that the gateway asks, and whether it answers."""

    parts: list[Part]


class HistoryQuery(Message):
    """How far back."""

    window: Literal["hour", "day"] = "hour"


class HistoryPoint(Message):
    """What happened in a span of time."""

    at: datetime = Field(description="When the span began.")
    seconds: float = Field(description="How much of it was counted: less than its length at both ends of a life.")
    predictions: int = Field(description="Requests for predictions.")
    refused: int = Field(description="Of these, refused for what was sent: 4xx.")
    failed: int = Field(description="Of these, failed: 5xx.")
    others: int = Field(description="Requests for anything else in /v1.")
    p50: float | None = Field(None, description="Seconds below which half of the predictions were answered.")
    p95: float | None = None
    p99: float | None = None


class ConfidenceBin(Message):
    """Predictions whose confidence was in a range."""

    low: float
    high: float
    count: int


class History(Message):
    """What this machine's gateway did in the last hour or day."""

    window: str
    step_s: int = Field(description="Length of a point's span.")
    begins: datetime
    ends: datetime
    points: list[HistoryPoint] = Field(description="Spans in which the gateway ran, the oldest first.")
    labels: dict[str, int] = Field(description="Predictions by label, the most frequent first.")
    doubts: dict[str, int] = Field(description="Predictions that are `unknown`, by their `doubt`.")
    confidence: list[ConfidenceBin]
    p50: float | None = Field(None, description="Over the whole window.")
    p95: float | None = None
    p99: float | None = None
