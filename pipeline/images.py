"""Container images: what each is built from, the tag that follows from it, and building them.

    python -m pipeline.images                                  # build all with docker, podman or buildah
    python -m pipeline.images gateway --registry registry.example.com/team --push
    python -m pipeline.images --tags                           # only say what they are called

A tag is the digest of everything that the image is built from. So a tag never moves, one that is already in a
registry holds this very code, and a package or a manifest that names it says which code runs.
"""

import hashlib
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from binocular.commands import run
from binocular.errors import ProcessError

# What images are built from, below the folder that holds the project.
ROOT = Path(__file__).parents[1]
TAG_CHARACTERS = 12
PREFIX = "binocular-"
# buildah 1.28 and podman make OCI images where not told otherwise, and those have no health check.
ENGINES = {
    "docker": ("docker", "build"),
    "podman": ("podman", "build", "--format=docker"),
    "buildah": ("buildah", "bud", "--format=docker"),
}


@dataclass(frozen=True)
class Image:
    """One image: its Dockerfile, the target in it, and the files that it is built from."""

    dockerfile: str
    sources: tuple[str, ...]
    target: str = ""

    def tag(self) -> str:
        """The digest of the sources."""
        digest = hashlib.sha256(self.target.encode())
        for path in sorted(self._files()):
            digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:TAG_CHARACTERS]

    def _files(self) -> Iterator[Path]:
        for pattern in (*self.sources, self.dockerfile):
            yield from {p for p in ROOT.glob(pattern) if p.is_file() and "__pycache__" not in p.parts}


def _serving(target: str) -> Image:
    sources = ("binocular/**/*", "serving/**/*", f"requirements/{target}.txt")
    return Image("serving/Dockerfile", sources, target)


IMAGES = {
    "components": Image(
        "components/Dockerfile", ("binocular/**/*", "components/**/*", "requirements/components.txt")
    ),
    "gateway": Image(
        "gateway/Dockerfile",
        (
            *("binocular/**/*", "gateway/**/*", "requirements/gateway.txt"),
            *("pipeline/__init__.py", "pipeline/upload.py", "pipeline/pipeline.*[nl]"),
        ),
    ),
    "pipelines": Image(
        "pipeline/Dockerfile",
        ("binocular/**/*", "components/**/*", "pipeline/**/*", "requirements/pipelines.txt"),
    ),
    "puller": _serving("puller"),
    "server": _serving("server"),
    "server-tensorflow": _serving("server-tensorflow"),
}


def reference(name: str, registry: str = "") -> str:
    """What an image is called: registry/binocular-name:tag."""
    return f"{registry}/{PREFIX}{name}:{IMAGES[name].tag()}".removeprefix("/")


def build(name: str, registry: str, engine: str, options: str) -> None:
    """Build an image; ProcessError where that fails."""
    image = IMAGES[name]
    command = [*ENGINES[engine], *shlex.split(options), "-f", image.dockerfile, "-t", reference(name, registry)]
    command.append(f"--build-arg=VERSION={image.tag()}")
    if image.target:
        command.append(f"--target={image.target}")
    _do([*command, "."])


def _do(command: list[str]) -> None:
    click.echo(shlex.join(command), err=True)
    if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise ProcessError(f"{command[0]} ended with {code}; what it said is above")


def _engine() -> str:
    """What builds images on this machine. A docker client without its daemon is no use."""
    for engine in ENGINES:
        if shutil.which(engine):
            says = subprocess.run([engine, "info"], capture_output=True, check=False)
            if not says.returncode:
                return engine
    raise ProcessError("nothing here builds images: install docker, podman or buildah")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(list(IMAGES)))
@click.option("--registry", default="", help="What stands before the images' names, as registry.example.com/team.")
@click.option("--engine", type=click.Choice(list(ENGINES)), help="What builds. [default: the first that works]")
@click.option("--options", default="", help="More options for its build command.")
@click.option("--tags", is_flag=True, help="Build nothing; say what the images are called.")
@click.option("--push", is_flag=True, help="Push what was built.")
def images(
    *, names: tuple[str, ...], registry: str, engine: str | None, options: str, tags: bool, push: bool
) -> None:
    """Build the container images of these NAMES, or all of them."""
    for name in names or IMAGES:
        if not tags:
            engine = engine or _engine()
            build(name, registry, engine, options)
            if push:
                _do([engine, "push", reference(name, registry)])
        click.echo(reference(name, registry))


if __name__ == "__main__":
    run(images, "images", program="python -m pipeline.images")
