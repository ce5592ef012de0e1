"""What a form for the pipeline's parameters knows beside the package: order, groups, choices and limits.

A compiled package has names, types, defaults and descriptions. What the steps' own classes know besides is written
beside it, as `pipeline.form.json`, for whoever draws a form and must not import a step.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from binocular.parameters import Parameters
from components.evaluate.gate import Gate
from components.export.choices import Choices
from components.train.recipe import Recipe
from components.validate.thresholds import Thresholds

# Every parameter, in the order of the form.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Photos": ("source", "sha256", "name", "validation_share", "test_share", "near_duplicate_bits"),
    "Network": ("architecture", "alpha", "image_size", "weights", "weights_sha256"),
    "Training": (
        *("epochs", "learning_rate", "fine_tune_epochs", "fine_tune_learning_rate", "fine_tune_share"),
        *("optimizer", "schedule", "averaging", "patience", "batch_size", "devices", "seed", "country"),
    ),
    "Against overfitting": ("augmentation", "class_weights", "dropout", "label_smoothing", "l1", "l2"),
    "Comparing recipes": ("sweep",),
    "Checks and gate": ("thresholds", "gate"),
    "Serving": ("quantization",),
}
OBJECTS: Mapping[str, type[Parameters]] = {"thresholds": Thresholds, "gate": Gate}
SHARE = {"least": 0, "most": 1}


def text() -> str:
    """The document as it is kept."""
    described = {each.name: each for each in (*fields(Recipe), *fields(Choices))}
    known = {
        name: {"group": group, **(_limits(described[name]) if name in described else {})}
        for group, names in GROUPS.items()
        for name in names
    }
    known["validation_share"] |= SHARE
    known["test_share"] |= SHARE
    known["near_duplicate_bits"] |= {"least": 0, "most": 64}
    for name, parameters in OBJECTS.items():
        known[name] |= {"members": [_member(each) for each in fields(parameters)]}
    return json.dumps(known, indent=1, ensure_ascii=False) + "\n"


def _member(each: Field[Any]) -> dict[str, Any]:
    kinds = {bool: "BOOLEAN", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING"}
    told = {"name": each.name, "type": kinds[type(each.default)], "default": each.default}
    return {**told, "description": each.metadata["meaning"], **_limits(each)}


def _limits(each: Field[Any]) -> dict[str, Any]:
    """What a parameter accepts; an infinite limit is none."""
    among = each.metadata.get("among")
    limits = {name: each.metadata.get(name) for name in ("least", "most")}
    finite = {name: value for name, value in limits.items() if value is not None and math.isfinite(value)}
    return {**finite, **({"choices": list(among)} if among else {})}
