"""stub"""

from collections.abc import Callable
from dataclasses import dataclass

from binocular.snapshot import Split


@dataclass(frozen=True)
class Found:
    """One file of a source."""

    source: str
    label: str
    split: Split | None
    read: Callable[[], bytes]
    corrected: bool = False
