"""What a recipe leaves open, chosen for the data and the machine at hand, each with its reason."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from binocular.candidate import Choice
from components.train.headroom import available
from components.train.material import Material
from components.train.recipe import AUTO, IMAGENET_SIDES, Recipe

# small_cnn sees its stages' worth of detail at the least of them.
SMALL_SIDE = 96
HEAD_EPOCHS = 60
HEAD_RATE, SCRATCH_RATE = 1e-3, 3e-3
# How many images a network is shown in all, and in how many passes at least and at most.
FINE_TUNE_IMAGES, FINE_TUNE_EPOCHS = 21_000, (4, 20)
SCRATCH_IMAGES, SCRATCH_EPOCHS = 84_000, (24, 48)
# Plain gradients, whose size nothing evens out, want larger steps.
SGD_FACTOR = 10
# Of a step: what a training keeps of each pixel of an image, and the share of the memory that it may take.
BYTES_A_PIXEL, MEMORY_SHARE = 1600, 0.5
BATCHES = (32, 16, 8, 4)
# A class this many times rarer than another counts more.
IMBALANCE = 1.5


def choose(recipe: Recipe, material: Material) -> tuple[Recipe, tuple[Choice, ...]]:
    """The recipe with nothing left open, and what was chosen."""
    side = tuple(_side(recipe, material))
    sized = _with(recipe, side)
    rest = tuple(_choices(sized, material))
    return _with(sized, rest), side + rest


def _with(recipe: Recipe, chosen: tuple[Choice, ...]) -> Recipe:
    return replace(recipe, **{each.name: type(getattr(recipe, each.name))(each.value) for each in chosen})


def _choices(recipe: Recipe, material: Material) -> Iterator[Choice]:
    if not recipe.epochs:
        if recipe.pretrained:
            yield Choice(name="epochs", value=str(HEAD_EPOCHS), because="a head takes seconds to train")
        else:
            yield _passes("epochs", SCRATCH_IMAGES, SCRATCH_EPOCHS, material)
    if not recipe.learning_rate:
        rate, what = (HEAD_RATE, "a head") if recipe.pretrained else (SCRATCH_RATE, "a network with batch norm")
        rate *= SGD_FACTOR if recipe.optimizer == "sgd" else 1
        yield Choice(name="learning_rate", value=str(rate), because=f"it suits {what} under {recipe.optimizer}")
    if recipe.pretrained and recipe.fine_tune_share and not recipe.fine_tune_epochs:
        yield _passes("fine_tune_epochs", FINE_TUNE_IMAGES, FINE_TUNE_EPOCHS, material)
    if recipe.augmentation == AUTO:
        yield _augmentation(recipe)
    if not recipe.batch_size:
        yield _batch_size(recipe)
    if recipe.class_weights == AUTO:
        yield _class_weights(material)


def _side(recipe: Recipe, material: Material) -> Iterator[Choice]:
    if recipe.image_size:
        return
    if not recipe.pretrained:
        why = "small_cnn halves it five times and sees enough"
        yield Choice(name="image_size", value=str(SMALL_SIDE), because=why)
        return
    shorter = median(min(row.width, row.height) for row in material.rows)
    # An interpreter answers the largest of them in ten milliseconds.
    fitting = [side for side in IMAGENET_SIDES if side >= shorter]
    side = fitting[0] if fitting else IMAGENET_SIDES[-1]
    why = f"the middle photo is {shorter:.0f} pixels wide or high"
    yield Choice(name="image_size", value=str(side), because=why)


def _passes(name: str, shown: int, limits: tuple[int, int], material: Material) -> Choice:
    number = len(material.side("train"))
    least, most = limits
    passes = min(max(round(shown / number), least), most)
    return Choice(name=name, value=str(passes), because=f"there are {number} training images")


def _augmentation(recipe: Recipe) -> Choice:
    if recipe.pretrained:
        return Choice(
            name="augmentation", value="strong", because="a network that knows photos learns few by heart"
        )
    why = "a network that starts from nothing has enough to learn"
    return Choice(name="augmentation", value="light", because=why)


def _batch_size(recipe: Recipe) -> Choice:
    memory = available()
    an_image = BYTES_A_PIXEL * recipe.image_size**2
    fitting = [size for size in BATCHES if size * an_image <= memory * MEMORY_SHARE]
    why = f"{memory / 2**30:.1f} GiB of memory are free"
    return Choice(name="batch_size", value=str(fitting[0] if fitting else BATCHES[-1]), because=why)


def _class_weights(material: Material) -> Choice:
    counts = Counter(row.label for row in material.side("train"))
    rarest, commonest = min(counts.values()), max(counts.values())
    value = "balanced" if commonest > IMBALANCE * rarest else "none"
    why = f"the rarest class has {rarest} training images, the commonest {commonest}"
    return Choice(name="class_weights", value=value, because=why)
