"""Compiling the pipeline to the package that every Kubeflow takes: `python -m pipeline.compile`.

    python -m pipeline.compile                               # writes pipeline/pipeline.yaml
    python -m pipeline.compile --image registry.example.com/team/binocular-components --out mine.yaml

The tag of the steps' image is made from the sources that the image is built from: a package never runs code that
it was not compiled from, and Kubeflow's cache, which sees the tag, never answers for code that has changed.
"""

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import yaml
from kfp import compiler

import components
from binocular.commands import run
from binocular.parameters import Parameters
from components.evaluate.gate import Gate
from components.train.recipe import Recipe
from components.validate.thresholds import Thresholds
from pipeline.images import IMAGES
from pipeline.pipeline import binocular as pipeline

PACKAGE = Path(__file__).with_name("pipeline.yaml")
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


def package(image: str) -> str:
    """The compiled pipeline, its steps run in this image under the tag of the sources."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "pipeline.yaml")
        compiler.Compiler().compile(pipeline, str(path))
        spec, *platforms = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    for executor in spec["deploymentSpec"]["executors"].values():
        executor["container"]["image"] = f"{image}:{IMAGES['components'].tag()}"
    _describe(spec["root"]["inputDefinitions"]["parameters"])
    return HEADER + str(yaml.safe_dump_all([spec, *platforms], sort_keys=True, width=110, allow_unicode=True))


def _describe(inputs: dict[str, dict[str, Any]]) -> None:
    """Give each parameter the description that its step has for it."""
    meanings = {
        **MEANINGS,
        **{each.name: str(each.metadata["meaning"]) for each in fields(Recipe)},
        "thresholds": _of_dictionary("validation", Thresholds),
        "gate": _of_dictionary("the gate", Gate),
    }
    for name, definition in inputs.items():
        definition["description"] = meanings[name]


def _of_dictionary(what: str, parameters: type[Parameters]) -> str:
    names = ", ".join(f"{each.name} ({each.default})" for each in fields(parameters))
    return f"What {what} draws its lines by, where not at the default: {names}."


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--image", default=components.IMAGE, show_default=True, help="The steps' image, without a tag.")
@click.option("--out", default=PACKAGE, type=click.Path(path_type=Path), help="[default: pipeline/pipeline.yaml]")
def compile_package(image: str, out: Path) -> None:
    """Compile the pipeline to a package for Kubeflow."""
    out.write_text(package(image), encoding="utf-8")
    click.echo(f"{out}: steps run in {image}:{IMAGES['components'].tag()}")


if __name__ == "__main__":
    run(compile_package, "compile", program="python -m pipeline.compile")
