"""What requests and answers about data hold."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from binocular.messages import Message


class ClassCounts(Message):
    """The images of a class: those of the newest snapshot by split, and those that wait."""

    label: str
    train: int
    validation: int
    test: int
    uploads: int = Field(description="Uploaded, and not learnt from by the model in production.")
    feedback: int = Field(description="Corrected, and not learnt from by the model in production.")


class Dataset(Message):
    """What the next training starts from: the newest snapshot, and what people sent since."""

    name: str
    snapshot: str | None = Field(None, description="The digest of the newest snapshot: the dataset's version.")
    frozen_at: datetime | None = None
    images: int = Field(description="Of the newest snapshot.")
    rejected: int = Field(description="Files that could not be read, of the newest snapshot.")
    classes: list[ClassCounts] = Field(description="By name, also those that only wait.")
    uploads: int = Field(description="Waiting ones of all classes.")
    feedback: int = Field(description="Waiting ones of all classes.")


class Contributed(Message):
    """An image that somebody sent."""

    kind: Literal["uploads", "feedback"]
    label: str
    sha256: str
    size: int
    at: datetime
    waits: bool = Field(description="The model in production has not learnt from it.")


class Contributions(Message):
    """Images that people sent, the newest first."""

    images: list[Contributed]
    total: int = Field(description="How many there are with this filter.")
    next: str | None = Field(None, description="What to ask with as `after` for those that follow.")


class ContributionsQuery(Message):
    """Which images are listed."""

    limit: int = Field(48, ge=1, le=500)
    after: str | None = Field(None, max_length=2000, description="`next` of the answer before.")
    label: str | None = Field(None, max_length=1000)
    kind: Literal["uploads", "feedback"] | None = None
    waits: bool = Field(default=True, description="Only those that the model in production has not learnt from.")


class WhichImage(Message):
    """The label that an image was sent under."""

    label: str = Field(max_length=1000)


class ThumbnailQuery(WhichImage):
    """The label that an image was sent under, and how large it is wanted."""

    side: int = Field(256, ge=16, le=1024, description="Pixels of the longer side at most.")


class TakenBack(Message):
    """An image that the next training does without."""

    kind: str
    label: str
    sha256: str
