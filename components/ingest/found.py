"""What every kind of source yields, and how much of it one is prepared to take."""

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
    """Its bytes. Call it once at most, and before the next file is drawn."""
    corrected: bool = False
    """Whether a person said so after the model had said otherwise."""


@dataclass(frozen=True)
class Limits:
    """How much of a source is taken before it is refused."""

    members: int = 200_000
    """Files and folders in one archive."""
    member_bytes: int = 100 * 10**6
    """Bytes of one file."""
    total_bytes: int = 50 * 10**9
    """Bytes of all files of one archive, unpacked."""
    ratio: int = 200
    """How many times its packed size a file may have, beyond its first megabyte."""
    download_bytes: int = 20 * 10**9
    """Bytes of one download."""


DEFAULT_LIMITS = Limits()
