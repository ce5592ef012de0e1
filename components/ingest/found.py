"""What every kind of source yields."""

from collections.abc import Callable
from dataclasses import dataclass

from binocular.snapshot import Split


@dataclass(frozen=True)
class Found:
    """One file of a source; whether it is an image is for the decoder to say."""

    source: str
    """Where it came from, for a person: `glass/a.jpg`, `photos.zip!glass/a.jpg`, `s3://bucket/key`."""
    label: str
    split: Split | None
    """The side on which the source publishes it, if it publishes sides."""
    read: Callable[[], bytes]
    """Its bytes, or a BinocularError. Call it once at most, and before the next file is drawn."""
    corrected: bool = False
    """Whether a person said so after the model had said otherwise."""
