"""What a sample consists of. Cheap to import: the command line shows its choices from here."""

from dataclasses import dataclass
from typing import Literal, get_args

Fault = Literal["corrupt", "duplicate", "near-duplicate", "conflict", "leakage"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
CLASSES = ("cardboard", "glass", "metal", "paper", "plastic", "trash")
IMAGES = 100
SIZE = 160
# Below it the scene's boards and tiles come to nothing.
SMALLEST = 16


@dataclass(frozen=True)
class Spec:
    """What to draw."""

    images: int = IMAGES  # in each class
    size: int = SIZE
    seed: int = 0
    split: bool = False  # lay it out as train/<class> and test/<class>
    plant: tuple[Fault, ...] = ()

    @property
    def total(self) -> int:
        """How many images are drawn, planted ones aside."""
        return self.images * len(CLASSES)
