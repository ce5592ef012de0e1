"""The whole training: head on embeddings and fine-tuning, or everything from scratch; of a sweep, the best.

result = train(Material(snapshot, folder, rows), [Recipe()], origin, scratch)
result.write(Path("candidate"))      # model.keras, candidate.json, sweep.json
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from binocular import candidate
from binocular.candidate import Candidate, Choice, Energy, Epoch
from binocular.snapshot import SPLITS, Row, Split
from components.train import architectures, calibration
from components.train.augmentation import STRENGTHS
from components.train.batches import Batches, class_weights
from components.train.choices import choose
from components.train.devices import choose_devices, spread
from components.train.embeddings import Vectors, embed
from components.train.energy import measured
from components.train.familiar import Indices, Prototypes, enough_of_each
from components.train.fitting import Plan, fit
from components.train.material import Material, Pixels
from components.train.recipe import Recipe
from components.train.sweep import SWEEP, Contestant, Sweep
from components.train.weights import Origin

ANSWERS_BATCH = 64

log = logging.getLogger(__name__)


@dataclass
class Workshop:
    """What trainings of one material share: where weights come from, and pixels that are decoded once a size."""

    material: Material
    origin: Origin
    scratch: Path
    seconds: dict[str, float] = field(default_factory=dict)
    embedded: Counter[str] = field(default_factory=Counter)
    _vectors: dict[tuple[str, int], Vectors] = field(default_factory=dict)
    _pixels: dict[tuple[Split, int], Pixels] = field(default_factory=dict)

    def pixels(self, split: Split, side: int) -> Pixels:
        """The pixels of one side's images."""
        if (split, side) not in self._pixels:
            with self.timed("decoding"):
                path = self.scratch / f"{split}-{side}.npy"
                self._pixels[split, side] = self.material.pixels(self.material.side(split), side, path, log)
        return self._pixels[split, side]

    def vectors(self, base: architectures.Backbone, side: int) -> Vectors:
        """What a backbone makes of the training images and, behind them, of the validation images."""
        key = (base.digest, side)
        if key not in self._vectors:
            with self.timed("embedding"):
                rows: list[Row] = [*self.material.side("train"), *self.material.side("validation")]
                found = embed(self.material, rows, base, side, self.origin.shelf)
            self._vectors[key] = found.vectors
            self.embedded.update(computed=found.computed, cached=found.cached)
        return self._vectors[key]

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of what happens to a phase."""
        started = time.monotonic()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0) + time.monotonic() - started


@dataclass(frozen=True)
class Trained:
    """One trained network and what is known about it."""

    model: Any  # Keras, uint8 images to logits
    recipe: Recipe
    chosen: tuple[Choice, ...]
    history: tuple[Epoch, ...]
    validation: dict[str, float]
    sure_from: float
    prototypes: Prototypes
    familiar_from: float | None


@dataclass(frozen=True)
class Result:
    """The best of what was trained."""

    best: Trained
    facts: Candidate
    sweep: Sweep

    def write(self, folder: Path) -> None:
        """Write the candidate, and how the recipes of the sweep compared; the facts, which make it one, last."""
        folder.mkdir(parents=True, exist_ok=True)
        # Whoever is cut off here leaves no candidate, rather than the facts of another one.
        (folder / candidate.FACTS).unlink(missing_ok=True)
        architectures.classifier(self.best.model).save(folder / candidate.MODEL)
        np.save(folder / candidate.PROTOTYPES, self.best.prototypes.vectors)
        self.sweep.write(folder / SWEEP)
        self.facts.write(folder / candidate.FACTS)


def train(material: Material, recipes: Sequence[Recipe], origin: Origin, scratch: Path) -> Result:
    """Train each recipe and keep the one that does best on the validation images."""
    workshop = Workshop(material, origin, scratch)
    for recipe in recipes:
        choose_devices(recipe)  # what cannot be is refused before anything is trained
    stop = measured(recipes[0].country)
    best: Trained | None = None
    contestants: list[Contestant] = []
    for number, recipe in enumerate(recipes, 1):
        if len(recipes) > 1:
            log.info("sweep", extra={"recipe": f"{number}/{len(recipes)}"})
        started = time.monotonic()
        trained = _train(workshop, recipe)
        contestants.append(Contestant.of(trained.recipe, trained.validation, time.monotonic() - started))
        # Only the best so far is held: networks are large.
        if Sweep.of(contestants).kept == number - 1:
            best = trained
    assert best is not None  # noqa: S101 - there is a recipe
    facts = _facts(workshop, best, stop())
    log.info("trained", extra={"seconds": round(sum(workshop.seconds.values()), 1), **_rounded(best.validation)})
    return Result(best, facts, Sweep.of(contestants))


def _train(workshop: Workshop, recipe: Recipe) -> Trained:
    material = workshop.material
    classes = len(material.classes)  # too little to learn from is refused before anything is chosen by it
    recipe, chosen = choose(recipe, material)
    recipe, devices = choose_devices(recipe)
    chosen += devices
    for choice in chosen:
        log.info("chosen", extra={choice.name: choice.value, "because": choice.because})
    keras.utils.set_random_seed(recipe.seed)
    with workshop.timed("loading the network"):
        base = architectures.backbone(recipe, recipe.image_size, workshop.origin)
        model = architectures.on_features(base, classes, recipe)
    history: tuple[Epoch, ...] = ()
    followed = not recipe.pretrained  # is the backbone another than its weights made it?
    if recipe.pretrained:
        history = _train_head(workshop, recipe, base, model)
        if recipe.fine_tune_share:
            tuned, followed = _fine_tune(workshop, recipe, base, model)
            history += tuned
            if not followed:
                why = "fine-tuning did worse on the validation images"
                chosen += (Choice(name="kept", value="head", because=why),)
    else:
        with workshop.timed("training from scratch"):
            plan = Plan("from scratch", recipe.epochs, recipe.learning_rate)
            history = _fit_pixels(workshop, recipe, model, plan)
    validation, sure_from = _calibrate(workshop, recipe, model)
    with workshop.timed("getting familiar"):
        known = None if followed else workshop.vectors(base, recipe.image_size)
        prototypes, familiar_from = _familiar(workshop, recipe, model, known)
    return Trained(model, recipe, chosen, history, validation, sure_from, prototypes, familiar_from)


def _train_head(
    workshop: Workshop,
    recipe: Recipe,
    base: architectures.Backbone,
    model: Any,  # noqa: ANN401
) -> tuple[Epoch, ...]:
    """Train the head alone, on embeddings; the whole network gets its weights."""
    material = workshop.material
    vectors = workshop.vectors(base, recipe.image_size)
    cut = len(material.side("train"))
    with workshop.timed("training the head"):
        head = architectures.head(vectors.shape[1], len(material.classes), recipe)
        training = _batches(workshop, recipe, "train", vectors[:cut], vary=False)
        validation = _batches(workshop, recipe, "validation", vectors[cut:], vary=False)
        history = fit(head, training, validation, Plan("head", recipe.epochs, recipe.learning_rate), recipe)
    last = head.get_layer(architectures.LOGITS).get_weights()
    model.get_layer(architectures.LOGITS).set_weights(last)
    return history


def _fine_tune(
    workshop: Workshop,
    recipe: Recipe,
    base: architectures.Backbone,
    model: Any,  # noqa: ANN401
) -> tuple[tuple[Epoch, ...], bool]:
    """Let the upper layers of the backbone follow; did that do better than the head alone? else the head stays."""
    layers = base.model.layers
    frozen = round(len(layers) * (1 - recipe.fine_tune_share))
    for place, layer in enumerate(layers):
        # Statistics of a few hundred photos are worse than those the weights came with.
        layer.trainable = place >= frozen and not isinstance(layer, keras.layers.BatchNormalization)
    plan = Plan("fine-tuning", recipe.fine_tune_epochs, recipe.fine_tune_learning_rate)
    head_only = model.get_weights()
    before = _loss(workshop, recipe, model)
    with workshop.timed("fine-tuning"):
        history = _fit_pixels(workshop, recipe, model, plan)
    helped = _loss(workshop, recipe, model) <= before
    if not helped:
        log.info("fine-tuning did worse on validation; the head alone is kept")
        model.set_weights(head_only)
    return history, helped


def _fit_pixels(workshop: Workshop, recipe: Recipe, model: Any, plan: Plan) -> tuple[Epoch, ...]:  # noqa: ANN401
    side = recipe.image_size
    training = _batches(workshop, recipe, "train", workshop.pixels("train", side), vary=True)
    validation = _batches(workshop, recipe, "validation", workshop.pixels("validation", side), vary=False)
    if recipe.devices > 1:
        log.info("sharing each batch", extra={"phase": plan.phase, "devices": recipe.devices})
    with spread(model, recipe.devices) as copy:
        return fit(copy, training, validation, plan, recipe)


def _batches(
    workshop: Workshop, recipe: Recipe, split: Split, inputs: Pixels | NDArray[np.float16], *, vary: bool
) -> Batches:
    material = workshop.material
    labels = material.labels(material.side(split))
    training = split == "train"
    return Batches(
        inputs,
        labels,
        class_weights(labels, len(material.classes), balanced=training and recipe.class_weights == "balanced"),
        recipe.batch_size,
        seed=recipe.seed if training else None,
        strength=STRENGTHS.get(recipe.augmentation) if vary else None,
        multiple=recipe.devices,
    )


def _calibrate(workshop: Workshop, recipe: Recipe, model: Any) -> tuple[dict[str, float], float]:  # noqa: ANN401
    """Divide the logits by what suits the validation images; how it does on them, and from where on it is sure."""
    logits, labels = _answers(workshop, recipe, model)
    by = calibration.temperature(logits, labels)
    calibration.divide_logits(model, by)
    right = logits.argmax(axis=1) == labels
    recalls = [right[labels == each].mean() for each in np.unique(labels)]
    figures = {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "log_loss": calibration.log_loss(logits / by, labels),
        "temperature": by,
    }
    return figures, calibration.sure_from(logits / by)


def _familiar(
    workshop: Workshop,
    recipe: Recipe,
    model: Any,  # noqa: ANN401
    known: Vectors | None,
) -> tuple[Prototypes, float | None]:
    """Where what was learnt lies, and how near the validation images come; `known` are vectors that hold still."""
    labels = workshop.material.labels(workshop.material.side("train"))
    some = enough_of_each(labels, recipe.seed)
    learnt: NDArray[np.floating]
    others: NDArray[np.floating]
    if known is not None:
        learnt, others = known[some], known[len(labels) :]
    else:
        vector = keras.Model(model.input, model.get_layer(candidate.POOLED).output)
        learnt = _asked(vector, workshop.pixels("train", recipe.image_size), some)
        others = _asked(vector, workshop.pixels("validation", recipe.image_size))
    prototypes = Prototypes.of(learnt, labels[some], recipe.seed)
    return prototypes, prototypes.familiar_from(others)


def _loss(workshop: Workshop, recipe: Recipe, model: Any) -> float:  # noqa: ANN401
    return calibration.log_loss(*_answers(workshop, recipe, model))


def _answers(
    workshop: Workshop,
    recipe: Recipe,
    model: Any,  # noqa: ANN401
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What a network answers to the validation images, and what is right."""
    answers = _asked(model, workshop.pixels("validation", recipe.image_size))
    return answers, workshop.material.labels(workshop.material.side("validation"))


def _asked(model: Any, pixels: Pixels, which: Indices | None = None) -> NDArray[np.float32]:  # noqa: ANN401
    """What a network answers to images, or to those that are named."""
    which = np.arange(len(pixels)) if which is None else which
    starts = range(0, len(which), ANSWERS_BATCH)
    return np.concatenate(
        [np.asarray(model.predict_on_batch(pixels[which[start : start + ANSWERS_BATCH]])) for start in starts]
    )


def _facts(workshop: Workshop, best: Trained, energy: Energy | None) -> Candidate:
    material = workshop.material
    return Candidate(
        classes=material.classes,
        height=best.recipe.image_size,
        width=best.recipe.image_size,
        sure_from=best.sure_from,
        familiar_from=best.familiar_from,
        snapshot=material.snapshot.digest,
        images={split: len(material.side(split)) for split in SPLITS},
        architecture=best.recipe.architecture,
        weights=best.recipe.weights if best.recipe.pretrained else "none",
        recipe=asdict(best.recipe),
        chosen=best.chosen,
        history=best.history,
        validation=best.validation,
        seconds=workshop.seconds,
        energy=energy,
        embedded={kind: workshop.embedded[kind] for kind in ("computed", "cached")},
    )


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
