"""What a recipe leaves open, chosen for the data at hand, each with its reason."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from binocular.candidate import Choice
from components.train.material import Material
from components.train.recipe import Recipe

# Sides that ImageNet weights were trained for, or close to; an interpreter answers the largest in milliseconds.
SIDES = (96, 128, 160)
# small_cnn sees its stages' worth of detail at the least of them.
SMALL_SIDE = 96
HEAD_EPOCHS, SCRATCH_EPOCHS = 60, 24
HEAD_RATE, SCRATCH_RATE = 1e-3, 3e-3
# Plain gradients, whose size nothing evens out, want larger steps.
SGD_FACTOR = 10


def choose(recipe: Recipe, material: Material) -> tuple[Recipe, tuple[Choice, ...]]:
    """The recipe with nothing left open, and what was chosen."""
    chosen = tuple(_choices(recipe, material))
    values = {each.name: type(getattr(recipe, each.name))(each.value) for each in chosen}
    return replace(recipe, **values), chosen


def _choices(recipe: Recipe, material: Material) -> Iterator[Choice]:
    if not recipe.image_size:
        yield _side(recipe, material)
    if not recipe.epochs:
        if recipe.pretrained:
            yield Choice(name="epochs", value=str(HEAD_EPOCHS), because="a head takes seconds to train")
        else:
            why = "a network that starts from nothing has everything to learn"
            yield Choice(name="epochs", value=str(SCRATCH_EPOCHS), because=why)
    if not recipe.learning_rate:
        rate, what = (HEAD_RATE, "a head") if recipe.pretrained else (SCRATCH_RATE, "a network with batch norm")
        rate *= SGD_FACTOR if recipe.optimizer == "sgd" else 1
        yield Choice(name="learning_rate", value=str(rate), because=f"it suits {what} under {recipe.optimizer}")


def _side(recipe: Recipe, material: Material) -> Choice:
    if not recipe.pretrained:
        why = "small_cnn halves it five times and sees enough"
        return Choice(name="image_size", value=str(SMALL_SIDE), because=why)
    shorter = median(min(row.width, row.height) for row in material.rows)
    fitting = [side for side in SIDES if side >= shorter]
    side = fitting[0] if fitting else SIDES[-1]
    return Choice(
        name="image_size", value=str(side), because=f"the middle photo is {shorter:.0f} pixels wide or high"
    )
