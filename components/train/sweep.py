"""Several recipes compared on the validation images."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Self

from pydantic import BaseModel, ConfigDict

from binocular.documents import Document
from binocular.errors import SettingError
from components.train.recipe import Recipe

SWEEP = "sweep.json"


class Contestant(BaseModel):
    """A recipe and how it did."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    recipe: dict[str, object]
    validation: dict[str, float]
    seconds: float

    @classmethod
    def of(cls, recipe: Recipe, validation: dict[str, float], seconds: float) -> Self:
        """The contestant of a trained recipe."""
        return cls(recipe=asdict(recipe), validation=validation, seconds=seconds)

    def better_than(self, other: Self) -> bool:
        """More right over all classes alike; where that is equal, surer of what is right."""
        return self._merit > other._merit

    @property
    def _merit(self) -> tuple[float, float]:
        return round(self.validation["balanced_accuracy"], 6), -self.validation["log_loss"]


class Sweep(Document):
    """All recipes that were tried, in their order, and which of them was kept."""

    contestants: tuple[Contestant, ...]
    kept: int
    varied: tuple[str, ...]  # the parameters in which they differ

    @classmethod
    def of(cls, contestants: Sequence[Contestant]) -> Self:
        """The comparison of contestants."""
        best = 0
        for place, each in enumerate(contestants):
            if each.better_than(contestants[best]):
                best = place
        names = [each.name for each in fields(Recipe)]
        varied = [name for name in names if len({str(each.recipe[name]) for each in contestants}) > 1]
        return cls(contestants=tuple(contestants), kept=best, varied=tuple(varied))


def parse(text: str) -> object:
    """What a file of a sweep holds; SettingError where that is not JSON."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"sweep is not JSON: {error}") from None
    return found


def recipes(base: Recipe, differences: object) -> list[Recipe]:
    """The recipes of a sweep: the base with what each changes; the base itself where there is no sweep.

    SettingError where it is not a list of parameters by name.
    """
    if not isinstance(differences, list) or not all(isinstance(each, dict) for each in differences):
        raise SettingError('sweep must be a list of recipes such as [{"l2": 0.001}, {"l1": 0.001}]')
    return [type(base).of({**asdict(base), **each}) for each in differences] or [base]
