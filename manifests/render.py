"""What the manifests render to: `python -m manifests.render` writes it to manifests/rendered, where tests read it.

Every overlay is rendered, and every component on the base with nothing else.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from binocular.commands import run
from binocular.errors import ProcessError

FOLDER = Path(__file__).parent
RENDERED = FOLDER / "rendered"
KUSTOMIZATION = "kustomization.yaml"
HEADER = "# Made by `make manifests` from {source}; kustomize decides what it says.\n"


def kustomize() -> Path | None:
    """The kustomize of this machine: built by `make kustomize`, or else on PATH."""
    built = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "binocular", "bin", "kustomize")
    found = built if built.is_file() else shutil.which("kustomize")
    return Path(found) if found else None


def build(folder: Path) -> str:
    """What a kustomization renders to; ProcessError where it does not."""
    program = kustomize()
    if program is None:
        raise ProcessError("there is no kustomize on PATH; `make kustomize` builds one, where Go is installed")
    done = subprocess.run([program, "build", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProcessError(f"kustomize build {folder}: {done.stderr.strip()}")
    return done.stdout


def rendered() -> Iterator[tuple[str, str]]:
    """The name of each overlay and component, and what it renders to."""
    for overlay in sorted((FOLDER / "overlays").iterdir()):
        yield overlay.name, HEADER.format(source=f"overlays/{overlay.name}") + build(overlay)
    for component in sorted((FOLDER / "components").iterdir()):
        with tempfile.TemporaryDirectory(dir=FOLDER, prefix=".render-") as scratch:
            Path(scratch, KUSTOMIZATION).write_text(
                f"resources: [../base, ../kubeflow]\ncomponents: [../components/{component.name}]\n"
            )
            yield (
                f"with-{component.name}",
                HEADER.format(source=f"components/{component.name}") + build(Path(scratch)),
            )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def render() -> None:
    """Write what every overlay and component renders to."""
    made = list(rendered())  # all of it, before anything that is there goes
    for old in RENDERED.glob("*.yaml"):
        old.unlink()
    for name, text in made:
        (RENDERED / f"{name}.yaml").write_text(text, encoding="utf-8")
        click.echo(f"rendered/{name}.yaml: {text.count('kind: ')} kinds")


if __name__ == "__main__":
    run(render, "render", program="python -m manifests.render")
