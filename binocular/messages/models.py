"""What requests and answers about versions of the model hold."""

from typing import Any

from pydantic import Field

from binocular.messages import Message
from binocular.messages.runs import Chosen, EnergyUsed


class Version(Message):
    """A published version of the model."""

    version: int
    created: str
    run: str
    architecture: str
    classes: tuple[str, ...]
    metrics: dict[str, float]
    champion: int | None = Field(None, description="The version it was let in over.")
    production: bool
    available: bool = Field(description="Whether the model server answers with it.")
    retired: bool = Field(description="Whether it is deleted, or about to be: production never moves there.")
    summary: str | None = Field(None, description="What the gate said of it.")


class Moved(Message):
    """That production moved to a version."""

    version: int
    at: str
    by: str
    why: str


class Models(Message):
    """The versions of the model, the newest first."""

    name: str
    production: int | None = None
    previous: int | None = Field(None, description="Where a roll back leads.")
    moves: list[Moved] = Field(description="How production came where it is, the newest first.")
    versions: list[Version]


class SnapshotNamed(Message):
    """The frozen photos that a version learnt from."""

    digest: str
    prefix: str = Field(description="Where it lies in the store.")


class ModelFile(Message):
    """A file of a version."""

    name: str
    size: int
    sha256: str


class Quantized(Message):
    """What became of an int8 form of the graph that LiteRT serves."""

    kind: str
    taken: bool = Field(description="Whether it is served; if not, the float graph is.")
    reason: str = Field(description="What was measured of both, and what speaks against it if something does.")
    float_bytes: int
    bytes: int | None = Field(None, description="Nothing where it could not be made.")


class VersionDetail(Version):
    """Everything about a version."""

    moves: list[Moved] = Field(description="When it came into production, the newest first.")
    snapshot: SnapshotNamed | None = None
    counts: dict[str, dict[str, int]] = Field(description="Images by split and class: train, validation, test.")
    weights: str
    recipe: dict[str, Any]
    chosen: list[Chosen]
    energy: EnergyUsed | None = None
    quantization: Quantized | None = Field(None, description="Nothing where no int8 form was asked for.")
    image: list[int] = Field(description="Height and width of what it sees.")
    files: list[ModelFile]
    card: str = Field(description="The model card, as Markdown.")


class Promote(Message):
    """Why production moves."""

    why: str = Field("by hand", max_length=1000)
    over: int | None = Field(
        None, description="The version in production as the caller knows it; then it is checked."
    )


class Promoted(Message):
    """Where production points now."""

    name: str
    version: int
    before: int | None = None
