"""The .env of compose.yaml: `python -m manifests.compose_env`.

Keys are random and made once; what the file says already stays, but for the images, which follow the sources.
"""

import secrets
from pathlib import Path

import click

from binocular.commands import run
from pipeline.images import reference

ENV = Path(".env")
PRIVATE = 0o600
IMAGES = ("gateway", "pipelines", "puller", "server")
PROFILES = "minio,tensorflow-serving"


def contents(present: str) -> str:
    """What the file should say, given what it says."""
    images = {f"{name.upper()}_IMAGE": reference(name) for name in IMAGES}
    kept = [line for line in present.splitlines() if line.partition("=")[0] not in images]
    said = {line.partition("=")[0] for line in kept}
    missing = {name: value for name, value in _made().items() if name not in said}
    return "".join(f"{line}\n" for line in [*kept, *(f"{k}={v}" for k, v in (missing | images).items())])


def _made() -> dict[str, str]:
    return {
        "COMPOSE_PROFILES": PROFILES,
        "STORE_ACCESS_KEY": secrets.token_hex(10),
        "STORE_SECRET_KEY": secrets.token_urlsafe(30),
        "STORE_SIGNING_KEY": secrets.token_hex(32),
        "GATEWAY_TOKEN": secrets.token_urlsafe(30),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", default=ENV, show_default=True, type=click.Path(path_type=Path), help="File to write.")
def compose_env(out: Path) -> None:
    """Write the keys and the images that compose.yaml asks for, readable by you alone."""
    present = out.read_text(encoding="utf-8") if out.exists() else ""
    draft = out.with_name(f"{out.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=PRIVATE)
    draft.write_text(contents(present), encoding="utf-8")
    draft.rename(out)
    click.echo(f"{out}: {PROFILES} are the profiles" if not present else f"{out}: the images are today's")


if __name__ == "__main__":
    run(compose_env, "compose-env", program="python -m manifests.compose_env")
