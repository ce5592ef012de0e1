"""Making probabilities mean what they say: one temperature, fitted on validation, then part of the weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from components.train.architectures import LOGITS

# Beyond these, a handful of validation images would decide what no image supports.
COOLEST, HOTTEST = 0.5, 4.0
# The share of images of its classes that a network is sure enough about, and the most that it has to be sure.
KEPT, SUREST = 0.99, 0.5


def temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """What logits are divided by for the lowest loss."""
    found = minimize_scalar(
        lambda log_t: log_loss(logits / np.exp(log_t), labels),
        bounds=(np.log(COOLEST), np.log(HOTTEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def log_loss(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The mean negative log probability of the right class."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def sure_from(logits: NDArray[np.float32]) -> float:
    """The confidence that nearly all images of its classes are answered with; below it, it is torn."""
    confidence = np.exp(log_softmax(logits, axis=1).max(axis=1))
    return min(SUREST, round(float(np.quantile(confidence, 1 - KEPT)), 3))


def divide_logits(model: Any, by: float) -> None:  # noqa: ANN401 - Keras has no types
    """Make a network answer its logits divided by a temperature."""
    last = model.get_layer(LOGITS)
    last.set_weights([values / by for values in last.get_weights()])
