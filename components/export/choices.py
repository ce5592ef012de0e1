"""What export can be told beside what it exports."""

from dataclasses import dataclass

from binocular.parameters import Parameters, choice

NONE, INT8 = "none", "int8"


@dataclass(frozen=True)
class Choices(Parameters):
    """How to export."""

    kind = "parameter of export"

    quantization: str = choice(
        NONE,
        "int8: LiteRT serves a form of the model that takes half the processor time an image on processors with"
        " VNNI, if that does as well on the test images: accuracy within half a point, no class worse. If not, and"
        " with none, it serves the model as it is.",
        among=(NONE, INT8),
    )
