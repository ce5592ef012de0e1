"""One phase of a training: passes over the images until validation is no longer better, with progress."""

import logging
import math
import time
from dataclasses import dataclass
from typing import Any, Literal

import keras

from binocular.candidate import Epoch
from binocular.errors import DataError
from components.train.batches import Batches
from components.train.recipe import Recipe

Phase = Literal["head", "fine-tuning", "from scratch"]
# A report comes at least this often, and not more often than this.
EVERY_S, LEAST_S = 5.0, 1.0
MOMENTUM = 0.9
# The plateau schedule: what the rate falls to, and after which part of the patience.
FALLS_TO, FALLS_AFTER = 0.3, 0.4
# The cosine ends at this part of where it begins.
COSINE_END = 0.01
# The rate rises over the first pass, or over this part of the phase if that is shorter.
WARM_SHARE = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How long a phase may go on, and how fast it begins."""

    phase: Phase
    epochs: int
    learning_rate: float


def fit(model: Any, training: Batches, validation: Batches, plan: Plan, recipe: Recipe) -> tuple[Epoch, ...]:  # noqa: ANN401
    """Train a network that answers logits; it ends with the weights of its best epoch."""
    model.compile(
        optimizer=_optimizer(recipe, plan, len(training)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,  # compiling a network for a processor takes longer than it saves
    )
    progress = Progress(plan, len(training))
    stop = keras.callbacks.EarlyStopping(
        "val_loss", patience=recipe.patience, restore_best_weights=True, start_from_epoch=0
    )
    watchers: list[Any] = [progress, stop]
    if _averages(recipe, plan):
        # First, so that whoever watches an epoch's end sees the averaged weights, and the best of those is kept.
        watchers.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if recipe.schedule == "plateau":
        waits = max(1, round(recipe.patience * FALLS_AFTER))
        watchers.append(keras.callbacks.ReduceLROnPlateau("val_loss", factor=FALLS_TO, patience=waits))
    model.fit(
        training, validation_data=validation, epochs=plan.epochs, callbacks=watchers, verbose=0, shuffle=False
    )
    return tuple(progress.epochs)


def _optimizer(recipe: Recipe, plan: Plan, steps: int) -> Any:  # noqa: ANN401
    rate: Any = plan.learning_rate
    if recipe.schedule == "cosine":
        warm = min(steps, plan.epochs * steps // WARM_SHARE)
        rate = keras.optimizers.schedules.CosineDecay(
            rate * COSINE_END, plan.epochs * steps - warm, alpha=COSINE_END, warmup_target=rate, warmup_steps=warm
        )
    average: dict[str, Any] = {}
    if _averages(recipe, plan):
        average = {"use_ema": True, "ema_momentum": recipe.averaging}
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True, **average)
    kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "rmsprop": keras.optimizers.RMSprop}
    return kinds[recipe.optimizer](rate, **average)


def _averages(recipe: Recipe, plan: Plan) -> bool:
    """Whether weights are averaged: not where statistics of batches are learnt, which belong to the last ones."""
    return plan.phase == "fine-tuning" and recipe.averaging > 0


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Says every few seconds and after every epoch how far it is and how long it may still take."""

    def __init__(self, plan: Plan, steps: int) -> None:
        super().__init__()
        self.epochs: list[Epoch] = []
        self._plan = plan
        self._steps = steps
        self._started = self._reported = self._epoch_started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        """Note when it began."""
        self._epoch_started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Report, if it is time to."""
        if time.monotonic() - self._reported < EVERY_S:
            return
        done = len(self.epochs) * self._steps + batch + 1
        self._tell(len(self.epochs) + (batch + 1) / self._steps, done, loss=(logs or {}).get("loss", 0.0))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Record the epoch; report it, if it is time to."""
        seen = logs or {}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if wrong := [f"{name} became {value}" for name, value in seen.items() if not math.isfinite(value)]:
            raise DataError(
                f"{' and '.join(wrong)} in epoch {epoch + 1} of {self._plan.phase}:"
                " lower learning_rate (or fine_tune_learning_rate)"
            )
        self.epochs.append(self._epoch(epoch, seen, rate))
        if time.monotonic() - self._reported < LEAST_S and epoch + 1 < self._plan.epochs:
            return
        self._tell(
            epoch + 1,
            (epoch + 1) * self._steps,
            loss=seen["loss"],
            accuracy=seen["accuracy"],
            validation_loss=seen["val_loss"],
            validation_accuracy=seen["val_accuracy"],
        )

    def _epoch(self, epoch: int, seen: dict[str, float], rate: float) -> Epoch:
        return Epoch(
            phase=self._plan.phase,
            epoch=epoch + 1,
            loss=seen["loss"],
            accuracy=seen["accuracy"],
            validation_loss=seen["val_loss"],
            validation_accuracy=seen["val_accuracy"],
            learning_rate=rate,
            seconds=time.monotonic() - self._epoch_started,
        )

    def _tell(self, epochs: float, steps: int, **figures: float) -> None:
        self._reported = time.monotonic()
        left = self._plan.epochs * self._steps - steps
        eta = (self._reported - self._started) / steps * left
        shown = {name: round(float(value), 4) for name, value in figures.items()}
        log.info(
            self._plan.phase, extra={"epoch": f"{epochs:.3g}/{self._plan.epochs}", **shown, "eta_s": round(eta)}
        )
