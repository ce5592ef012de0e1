"""Compiling the pipeline to the package that every Kubeflow takes: `python -m pipeline.compile`.

    python -m pipeline.compile                               # writes pipeline/pipeline.yaml
    python -m pipeline.compile --image registry.example.com/team/binocular-components --out mine.yaml
    python -m pipeline.compile --accelerators 2 --node pool=gpu --retries 2 --out mine.yaml

The tag of the steps' image is made from the sources that the image is built from: a package never runs code that
it was not compiled from, and Kubeflow's cache, which sees the tag, never answers for code that has changed.
"""

import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import yaml
from kfp import compiler

import components
from binocular.commands import run
from binocular.form import FORM
from binocular.parameters import Parameters
from components.evaluate.gate import Gate
from components.export.choices import Choices
from components.train.recipe import Recipe
from components.validate.thresholds import Thresholds
from pipeline import PACKAGE, form
from pipeline.cluster import GPU, Cluster
from pipeline.images import IMAGES
from pipeline.pipeline import compiled_for

ANY = Cluster()
# Each lists the whole source; more of them would wait for that and not for photos.
MOST_SHARDS = 64
HEADER = "# Made by `make compile` from pipeline/pipeline.py; the sources decide what it says.\n"

# Parameters that no class of a step describes.
MEANINGS = {
    "source": (
        "Photos to learn from: a folder of class folders, a .zip or .tar of one, an http(s) address of one with"
        " its sha256, s3://bucket/prefix, a .csv or .jsonl file with path and label, or a known dataset. Empty:"
        " what the dataset holds already. Photos and corrections that people sent are always added."
    ),
    "sha256": "Checksum that the source must have; needed where it is an http(s) address.",
    "name": "Name of the dataset and of the model: a-z, 0-9 and '-'.",
    "validation_share": "Share of the images that choose between trainings.",
    "test_share": "Share of the images that judge; no training ever sees them.",
    "near_duplicate_bits": "Images whose perceptual hashes differ in at most so many of 64 bits stay on one side.",
    "sweep": (
        'Recipes to compare, each what differs from the parameters here, as in [{"l2": 0.001}, {"l1": 0.001}]; the'
        " best on the validation images is kept. Empty: one training."
    ),
}


def package(image: str, cluster: Cluster = ANY) -> str:
    """The compiled pipeline, its steps run in this image under the tag of the sources."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "pipeline.yaml")
        compiler.Compiler().compile(compiled_for(cluster), str(path))
        spec, *platforms = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    for executor in spec["deploymentSpec"]["executors"].values():
        executor["container"]["image"] = f"{image}:{IMAGES['components'].tag()}"
    _describe(spec["root"]["inputDefinitions"]["parameters"])
    return HEADER + str(yaml.safe_dump_all([spec, *platforms], sort_keys=True, width=110, allow_unicode=True))


def _describe(inputs: dict[str, dict[str, Any]]) -> None:
    """Give each parameter the description that its step has for it."""
    meanings = {
        **MEANINGS,
        **{each.name: str(each.metadata["meaning"]) for each in (*fields(Recipe), *fields(Choices))},
        "thresholds": _of_dictionary("validation", Thresholds),
        "gate": _of_dictionary("the gate", Gate),
    }
    for name, definition in inputs.items():
        definition["description"] = meanings[name]


def _of_dictionary(what: str, parameters: type[Parameters]) -> str:
    names = ", ".join(f"{each.name} ({each.default})" for each in fields(parameters))
    return f"What {what} draws its lines by, where not at the default: {names}."


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what a cluster gives; a command takes them as `Cluster`'s fields."""
    for option in (
        click.option("--accelerators", default=0, help="Devices for the training."),
        click.option("--accelerator", default=GPU, show_default=True, help="Kubernetes' name of such a device."),
        click.option("--node", "nodes", multiple=True, metavar="LABEL=VALUE", help="Where training may run."),
        click.option(
            "--shards",
            type=click.IntRange(1, MOST_SHARDS),
            default=1,
            help="Pods that look at new photos side by side, for millions of them.",
        ),
        click.option("--retries", default=0, help="Further tries of a step that failed."),
        click.option("--pull-secret", default="", help="The Secret that opens the registry, where the steps run."),
        click.option(
            "--scratch", default="", metavar="SIZE", help="A volume of this size for each step, as 100Gi."
        ),
        click.option("--storage-class", default="", help="Of that volume. [default: the cluster's]"),
    ):
        command = option(command)
    return command


def cluster_of(*, nodes: tuple[str, ...], **given: Any) -> Cluster:  # noqa: ANN401 - the fields of a Cluster
    """The cluster that the options describe."""
    pairs = [each.partition("=") for each in nodes]
    if wrong := [name for name, equals, value in pairs if not (name and equals and value)]:
        raise click.BadParameter(f"{wrong[0]!r} is no LABEL=VALUE", param_hint="--node")
    return Cluster(nodes=tuple((name, value) for name, _, value in pairs), **given)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--image", default=components.IMAGE, show_default=True, help="The steps' image, without a tag.")
@click.option("--out", default=PACKAGE, type=click.Path(path_type=Path), help="[default: pipeline/pipeline.yaml]")
@cluster_options
def compile_package(image: str, out: Path, **given: Any) -> None:  # noqa: ANN401 - the fields of a Cluster
    """Compile the pipeline to a package for Kubeflow."""
    out.write_text(package(image, cluster_of(**given)), encoding="utf-8")
    out.with_suffix(FORM).write_text(form.text(), encoding="utf-8")
    click.echo(f"{out}: steps run in {image}:{IMAGES['components'].tag()}")


if __name__ == "__main__":
    run(compile_package, "compile", program="python -m pipeline.compile")
