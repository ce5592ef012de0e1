"""What the gateway's API takes and answers: its views and its Python client hold the same models."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# A sum of float32 may be a hair above 1.
Probability = Annotated[float, Field(ge=0, le=1.0001)]


class Message(BaseModel):
    """What a request or an answer holds: nothing that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(Message):
    """An error, as `application/problem+json`."""

    model_config = Message.model_config | {"extra": "allow"}
    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="Stable: what a program decides by.")
    detail: str
    request_id: str | None = None


class ImageBody(Message):
    """An image in JSON: one of both."""

    url: str | None = Field(
        None, description="Web address that the gateway fetches, where its settings allow that."
    )
    image: str | None = Field(None, description="The file's bytes in base64.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.image is None):
            raise ValueError("either 'url' or 'image' was expected")
        return self


class Options(Message):
    """How predictions are answered."""

    top_k: int | None = Field(None, ge=1, le=100_000, description="Only so many of the most probable classes.")


class OneOptions(Options):
    """How a prediction is answered."""

    explain: bool = Field(default=False, description="Also say which parts of the image the answer rests on.")


class ModelVersion(Message):
    """The version that answered."""

    name: str
    version: int


class Latency(Message):
    """Where the time went, in milliseconds."""

    decode: float
    predict: float
    explain: float | None = None
    total: float


class Explanation(Message):
    """Which parts of an image the best guess rests on."""

    png: str = Field(description="A picture in base64, to be stretched over the image: the redder, the more.")
    width: int = Field(description="Of the picture, and of the image as the model saw it.")
    height: int
    fall: float = Field(
        description="How much less probable the best guess is with the most important part covered."
    )


class Prediction(Message):
    """What an image shows."""

    id: str = Field(description="Names it in a correction.")
    label: str = Field(description="The best guess, or 'unknown' where there is doubt.")
    best_guess: str
    confidence: Probability
    doubt: Literal["unfamiliar", "unsure"] | None = Field(
        None,
        description="Why the label is 'unknown': the image is like none that the version learnt from, or it is not"
        " sure enough which class it is.",
    )
    probabilities: dict[str, Probability] = Field(description="By class, the most probable first.")
    model: ModelVersion
    latency_ms: Latency
    kept: bool = Field(description="Whether the image is kept for a while, so that it can be corrected.")
    explanation: Explanation | None = None


class BatchItem(Message):
    """One image of several: its prediction, or why there is none."""

    file: str
    prediction: Prediction | None = None
    error: Problem | None = None


class Batch(Message):
    """Several images, in the order they came in."""

    predictions: list[BatchItem]


class Feedback(Message):
    """What the image of an earlier prediction really shows."""

    id: str = Field(max_length=100)
    label: str = Field(max_length=1000)


class Stored(Message):
    """What became of a correction."""

    label: str
    sha256: str
    duplicate: bool = Field(description="The same image was under this label already.")


class Refusal(Message):
    """A file that was not taken."""

    file: str
    code: str
    detail: str


class Conflict(Message):
    """A file whose image is there under another label."""

    file: str
    label: str
    others: list[str]


class Taken(Message):
    """What became of uploaded images."""

    stored: int
    duplicates: int = Field(description="Images that were under the same label already.")
    labels: dict[str, int] = Field(description="New images by label.")
    refused: list[Refusal]
    conflicts: list[Conflict] = Field(
        description="Images that were sent under another label as well. A training learns from none of both: a"
        " correction says which is right."
    )


class Retrain(Message):
    """What a training is told."""

    parameters: dict[str, Any] | None = Field(
        None,
        description="Parameters of the pipeline that are not at their defaults; 'name' is the gateway's own."
        " Left out: those of the run that made the version in production.",
    )


class Started(Message):
    """A run of the pipeline."""

    run_id: str
    state: str
    url: str = Field(description="Where the run is followed.")


class Listing(Message):
    """How much is listed."""

    limit: int = Field(20, ge=1, le=100)


class SignIn(Message):
    """What a browser trades for a session."""

    token: str = Field(max_length=1000)


class Session(Message):
    """Who is signed in with this browser."""

    signed_in: bool
    name: str | None = Field(None, description="Of the token that opened the session.")
    scopes: list[str] = Field([], description="What the session may do.")
    ends_at: datetime | None = None


class Alive(Message):
    """The process answers."""

    status: str


class Ready(Message):
    """The model and the store answer."""

    status: str
    model: ModelVersion
