"""The pipeline as a graph: ingest → validate → train → evaluate → export, or the rejection on record.

Compile it with `make compile`. Parameters are described where the steps define them; `compile.py` puts the
descriptions into the package.

What may be taken from Kubeflow's cache follows from what each step is told. Ingest always runs, since new photos
behind the same address look like the same address; everything after it is told the snapshot by its digest, and the
champion by its version. The last step writes to the registry and always runs too.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from kfp import dsl
from kfp.dsl import PipelineTask
from kfp.dsl.graph_component import GraphComponent

from components.evaluate.component import evaluate
from components.export.choices import Choices
from components.export.component import PROMOTE, export
from components.export.rejection import record_rejection
from components.ingest.component import ingest
from components.ingest.examine import examine
from components.ingest.freezing import Options
from components.ingest.splits import Shares
from components.train.component import train
from components.train.recipe import Recipe
from components.validate.component import validate
from components.validate.measure import measure
from pipeline.cluster import Cluster

NAME = "binocular"
_CLUSTER: ContextVar[Cluster] = ContextVar("cluster")


def compiled_for(cluster: Cluster) -> GraphComponent:
    """The pipeline as one cluster gets it."""
    token = _CLUSTER.set(cluster)
    try:
        made: GraphComponent = dsl.pipeline(
            name=NAME, description="Labelled photos become a classifier, if it is good enough."
        )(_graph)
    finally:
        _CLUSTER.reset(token)
    return made


def _graph(
    source: str = "",
    sha256: str = "",
    name: str = "photos",
    validation_share: float = Shares.validation,
    test_share: float = Shares.test,
    near_duplicate_bits: int = Options.near_duplicate_bits,
    thresholds: dict = {},  # noqa: B006 - Kubeflow reads it, nobody writes to it
    architecture: str = Recipe.architecture,
    alpha: float = Recipe.alpha,
    weights: str = Recipe.weights,
    weights_sha256: str = Recipe.weights_sha256,
    image_size: int = Recipe.image_size,
    epochs: int = Recipe.epochs,
    learning_rate: float = Recipe.learning_rate,
    fine_tune_epochs: int = Recipe.fine_tune_epochs,
    fine_tune_learning_rate: float = Recipe.fine_tune_learning_rate,
    fine_tune_share: float = Recipe.fine_tune_share,
    optimizer: str = Recipe.optimizer,
    schedule: str = Recipe.schedule,
    averaging: float = Recipe.averaging,
    patience: int = Recipe.patience,
    batch_size: int = Recipe.batch_size,
    devices: int = Recipe.devices,
    l1: float = Recipe.l1,
    l2: float = Recipe.l2,
    dropout: float = Recipe.dropout,
    label_smoothing: float = Recipe.label_smoothing,
    augmentation: str = Recipe.augmentation,
    class_weights: str = Recipe.class_weights,
    seed: int = Recipe.seed,
    country: str = Recipe.country,
    sweep: list = [],  # noqa: B006
    gate: dict = {},  # noqa: B006
    quantization: str = Choices.quantization,
) -> None:
    """From photos to a model in production, or to the reasons why not."""
    shards = _CLUSTER.get().shards
    photos = {"name": name, "source": source, "sha256": sha256}
    together = {"run": dsl.PIPELINE_JOB_ID_PLACEHOLDER, "shards": shards} if shards > 1 else {}
    ingested = ingest(
        validation_share=validation_share,
        test_share=test_share,
        near_duplicate_bits=near_duplicate_bits,
        **photos,
        **together,
    )
    if shards > 1:
        examined = _in_shards(shards, lambda shard: examine(shard=shard, **photos, **together))
        examined.set_caching_options(enable_caching=False)
        _CLUSTER.get().gives(examined, "ingest")
        ingested.after(examined)
    snapshot, champion = ingested.outputs["snapshot"], ingested.outputs["champion"]
    of_shards = {"shards": shards} if shards > 1 else {}
    validated = validate(name=name, snapshot=snapshot, champion=champion, thresholds=thresholds, **of_shards)
    if shards > 1:
        measured = _in_shards(shards, lambda shard: measure(snapshot=snapshot, shard=shard, shards=shards))
        _CLUSTER.get().gives(measured, "validate")
        validated.after(measured)
    trained = train(
        snapshot=snapshot,
        findings=validated.outputs["findings"],
        architecture=architecture,
        alpha=alpha,
        weights=weights,
        weights_sha256=weights_sha256,
        image_size=image_size,
        epochs=epochs,
        learning_rate=learning_rate,
        fine_tune_epochs=fine_tune_epochs,
        fine_tune_learning_rate=fine_tune_learning_rate,
        fine_tune_share=fine_tune_share,
        optimizer=optimizer,
        schedule=schedule,
        averaging=averaging,
        patience=patience,
        batch_size=batch_size,
        devices=devices,
        l1=l1,
        l2=l2,
        dropout=dropout,
        label_smoothing=label_smoothing,
        augmentation=augmentation,
        class_weights=class_weights,
        seed=seed,
        country=country,
        sweep=sweep,
    )
    evaluated = evaluate(
        name=name,
        snapshot=snapshot,
        champion=champion,
        gate=gate,
        findings=validated.outputs["findings"],
        candidate=trained.outputs["candidate"],
    )
    decision = evaluated.outputs["decision"]
    pages = {
        "evaluation": evaluated.outputs["evaluation"],
        "curves": trained.outputs["curves"],
        "data_report": validated.outputs["report"],
        "report": evaluated.outputs["report"],
    }
    with dsl.If(decision == PROMOTE, name="promote"):
        ended = export(
            name=name,
            run=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            snapshot=snapshot,
            champion=champion,
            looked=ingested.outputs["looked"],
            decision=decision,
            quantization=quantization,
            findings=validated.outputs["findings"],
            candidate=trained.outputs["candidate"],
            **pages,
        )
        ended.set_caching_options(enable_caching=False)
    with dsl.Else(name="reject"):
        recorded = record_rejection(name=name, run=dsl.PIPELINE_JOB_ID_PLACEHOLDER, **pages)
        recorded.set_caching_options(enable_caching=False)
    ingested.set_caching_options(enable_caching=False)
    tasks = {
        "ingest": ingested,
        "validate": validated,
        "train": trained,
        "evaluate": evaluated,
        "export": ended,
        "record_rejection": recorded,
    }
    for step, task in tasks.items():
        _CLUSTER.get().gives(task, step)


def _in_shards(shards: int, step: Callable[[Any], PipelineTask]) -> PipelineTask:
    """A step for each shard, side by side."""
    with dsl.ParallelFor(list(range(shards)), name="shards") as shard:
        return step(shard)
