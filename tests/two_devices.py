"""Training on two devices where a machine has one: `python -m tests.two_devices SNAPSHOT RECIPES`.

TensorFlow is told to take the processor for two, which it can be told only before it does anything. Each recipe of
the JSON list is trained, and what came of it is written as a line of JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

import tensorflow as tf

from binocular import snapshot
from binocular.errors import SettingError
from components.train.material import Material
from components.train.recipe import Recipe
from components.train.shelf import FolderShelf
from components.train.training import train
from components.train.weights import Origin

DEVICES = 2


def main(folder: Path, recipes: str) -> None:
    """Train each recipe and say how it went."""
    (processor,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(DEVICES)]
    tf.config.set_logical_device_configuration(processor, parts)
    frozen = snapshot.read(folder)
    with tempfile.TemporaryDirectory() as scratch:
        origin = Origin(FolderShelf(Path(scratch, "shelf")), None, Path(scratch))
        for number, each in enumerate(json.loads(recipes)):
            try:
                work = Path(scratch, str(number))
                best = train(Material(frozen, folder, frozen.rows), [Recipe.of(each)], origin, work).best
            except SettingError as error:
                print(json.dumps({"refused": str(error)}))
                continue
            told = {
                "devices": best.recipe.devices,
                "chosen": [choice.name for choice in best.chosen],
                "validation": best.validation,
                "loss": [epoch.loss for epoch in best.history],
            }
            print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
