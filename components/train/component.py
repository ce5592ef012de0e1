"""The contract of the train step."""

import tempfile
from dataclasses import fields
from pathlib import Path

from kfp import dsl

from binocular import quarantine
from binocular.datasets import Reference, fetch_snapshot
from binocular.settings import DOWNLOADS
from binocular.steps import step
from binocular.store import connect
from components import BASE_IMAGE, IMAGE, wake_tensorflow
from components.train.material import Material
from components.train.recipe import Recipe
from components.train.shelf import StoreShelf
from components.train.sweep import recipes
from components.train.weights import Origin


@dsl.component(base_image=BASE_IMAGE, target_image=IMAGE)
def train(
    snapshot: str,
    findings: dsl.Input[dsl.Artifact],
    architecture: str,
    alpha: float,
    weights: str,
    weights_sha256: str,
    image_size: int,
    epochs: int,
    learning_rate: float,
    fine_tune_epochs: int,
    fine_tune_learning_rate: float,
    fine_tune_share: float,
    optimizer: str,
    schedule: str,
    averaging: float,
    patience: int,
    batch_size: int,
    devices: int,
    l1: float,
    l2: float,
    dropout: float,
    label_smoothing: float,
    augmentation: str,
    class_weights: str,
    seed: int,
    country: str,
    sweep: list,
    candidate: dsl.Output[dsl.Model],
    curves: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Train a classifier; of the recipes of a sweep, the best by the validation images."""
    given = dict(locals())
    base = {each.name: given[each.name] for each in fields(Recipe)}
    with step() as settings, tempfile.TemporaryDirectory() as scratch:
        store = connect(settings)
        wanted = recipes(Recipe.of(base), sweep)
        folder = Path(scratch, "snapshot")
        frozen = fetch_snapshot(store, Reference.at(snapshot), folder)
        material = Material(frozen, folder, quarantine.read(Path(findings.path), frozen))
        origin = Origin(StoreShelf(store, Path(scratch, "shelf")), store, settings.home / DOWNLOADS)
        wake_tensorflow()
        from components.train import page, training  # noqa: PLC0415

        result = training.train(material, wanted, origin, Path(scratch))
        result.write(Path(candidate.path))
        Path(curves.path).write_text(page.render_curves(result.facts, result.sweep), encoding="utf-8")
        candidate.metadata |= {"architecture": result.facts.architecture, "snapshot": frozen.digest}
        for figure, value in result.facts.validation.items():
            metrics.log_metric(f"validation_{figure}", value)
