"""An overlay made ready to be applied: `python -m manifests.deployment kind --out FOLDER`.

    python -m manifests.deployment cloud --registry registry.example.com/team --accelerators 1 --with monitoring

The folder holds a kustomization on top of the overlay, which says the images' tags, made from the sources; and the
compiled pipeline, whose steps run in the image of that registry and get the devices that are asked for.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import click
import yaml

from binocular.commands import run
from binocular.errors import SettingError
from manifests.render import FOLDER, KUSTOMIZATION
from pipeline import PACKAGE
from pipeline.compile import cluster_of, cluster_options, package
from pipeline.images import IMAGES, PREFIX, reference

OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
COMPONENTS = sorted(path.name for path in (FOLDER / "components").iterdir())
OUT = Path("build/deploy")
# Where the component `package` looks for the pipeline.
CONFIG_MAP = "binocular-package"


def deployment(
    overlay: Path, components: list[str], registry: str, out: Path, files: list[str]
) -> dict[str, object]:
    """The kustomization of a folder `out`: an overlay with the tags of today's sources, and a pipeline's files."""
    images = []
    for name in IMAGES:
        whole, _, tag = reference(name, registry).rpartition(":")
        images.append({"name": f"{PREFIX}{name}", "newName": whole, "newTag": tag})
    # Those that take another's place come last; kserve copies what the others have made of the model's pods.
    wanted = ["package", *sorted(components, key=lambda name: (name == "kserve", name))]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(overlay, out)],
        "components": [os.path.relpath(FOLDER / "components" / name, out) for name in dict.fromkeys(wanted)],
        "configMapGenerator": [{"name": CONFIG_MAP, "namespace": "binocular", "files": files}],
        "images": images,
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("overlay")
@click.option("--with", "components", multiple=True, type=click.Choice(COMPONENTS), help="A component to add.")
@click.option("--registry", default="", help="What stands before the images' names, as registry.example.com/team.")
@click.option("--out", default=OUT, show_default=True, type=click.Path(path_type=Path), help="Folder to write.")
@cluster_options
def deploy(*, overlay: str, components: tuple[str, ...], registry: str, out: Path, **given: Any) -> None:  # noqa: ANN401
    """Make an OVERLAY, one of ours by its name or a folder of yours, ready for `kubectl apply -k`."""
    folder = FOLDER / "overlays" / overlay if overlay in OVERLAYS else Path(overlay)
    if not (folder / KUSTOMIZATION).is_file():
        raise SettingError(
            f"{overlay} is neither one of {', '.join(OVERLAYS)} nor a folder with a {KUSTOMIZATION}"
        )
    out.mkdir(parents=True, exist_ok=True)
    image = reference("components", registry).rpartition(":")[0]
    (out / PACKAGE.name).write_text(package(image, cluster_of(**given)), encoding="utf-8")
    beside = sorted(PACKAGE.parent.glob(f"{PACKAGE.stem}.*.json"))  # for forms of its parameters
    for path in beside:
        shutil.copy(path, out)
    files = [PACKAGE.name, *(path.name for path in beside)]
    made = deployment(folder.resolve(), list(components), registry, out.resolve(), files)
    (out / KUSTOMIZATION).write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    click.echo(f"{out}: apply it with `kubectl apply -k {out}`")


if __name__ == "__main__":
    run(deploy, "deployment", program="python -m manifests.deployment")
