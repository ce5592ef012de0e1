"""docker or podman, as the tests of images drive it.

CONTAINER_ENGINE, BUILD_OPTIONS and RUN_OPTIONS of the environment say what is special about a machine, as in
`CONTAINER_ENGINE="podman --runtime runc"`.
"""

import gzip
import json
import os
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Self

from pipeline.images import reference

ROOT = Path(__file__).parents[2]
# Neither root nor the user that the image names: whoever runs it may choose.
NOBODY = "65534:65534"
REGISTRY = "localhost"  # podman puts it before every name; docker takes it as it is


def engine() -> list[str]:
    """The command that runs containers here."""
    given = os.environ.get("CONTAINER_ENGINE", "")
    return shlex.split(given) or [next(each for each in ("podman", "docker") if shutil.which(each))]


def options(which: str) -> list[str]:
    """More options, of BUILD_OPTIONS or RUN_OPTIONS."""
    return shlex.split(os.environ.get(which, ""))


def build(*names: str) -> None:
    """Build images, as `make images` does."""
    command = [sys.executable, "-m", "pipeline.images", *names, "--registry", REGISTRY]
    command += ["--engine", Path(engine()[0]).name, f"--options={shlex.join(options('BUILD_OPTIONS'))}"]
    subprocess.run(command, cwd=ROOT, check=True)


def inspected(name: str) -> dict[str, Any]:
    """What an image says of itself."""
    found: list[dict[str, Any]] = json.loads(ask("image", "inspect", reference(name, REGISTRY)))
    return found[0]


def ask(*arguments: str) -> str:
    """What the engine answers."""
    done = subprocess.run([*engine(), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(arguments)}: {done.stderr}"
    return done.stdout


def compressed_bytes(name: str, folder: Path) -> int:
    """What a registry keeps of an image, and a node pulls: its layers, each compressed."""
    archive, packed = folder / f"{name}.tar", folder / f"{name}.tar.gz"
    ask("image", "save", "-o", str(archive), reference(name, REGISTRY))
    with archive.open("rb") as whole, gzip.open(packed, "wb", compresslevel=6) as small:
        shutil.copyfileobj(whole, small, 1 << 20)
    archive.unlink()
    return packed.stat().st_size


def command(name: str, *arguments: str, volumes: dict[Path, str] | None = None, **variables: object) -> list[str]:
    """The command that runs a container: nobody, without rights, that can write to /tmp and its volumes alone."""
    mounts = [f"--volume={outside}:{inside}" for outside, inside in (volumes or {}).items()]
    given = [f"--env=BINOCULAR_{key.upper()}={value}" for key, value in variables.items()]
    careful = ["--read-only", "--tmpfs=/tmp", f"--user={NOBODY}", "--cap-drop=ALL"]
    careful += ["--security-opt=no-new-privileges", "--network=host"]
    return ["run", *options("RUN_OPTIONS"), *careful, *mounts, *given, reference(name, REGISTRY), *arguments]


def run(name: str, *arguments: str, volumes: dict[Path, str] | None = None, **variables: object) -> str:
    """Run a container to its end; all that it said."""
    whole = command(name, *arguments, volumes=volumes, **variables)
    whole.insert(1, "--rm")
    done = subprocess.run([*engine(), *whole], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Container:
    """A container that runs until it is told to end."""

    def __init__(
        self, name: str, *arguments: str, volumes: dict[Path, str] | None = None, **variables: object
    ) -> None:
        self.image = name
        self.name = f"binocular-test-{name}-{uuid.uuid4().hex[:8]}"
        self._command = command(name, *arguments, volumes=volumes, **variables)

    def __enter__(self) -> Self:
        ask(self._command[0], f"--name={self.name}", "--detach", *self._command[1:])
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*engine(), "rm", "-f", self.name], capture_output=True, check=False)

    def does(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Do something in it."""
        return subprocess.run(
            [*engine(), "exec", self.name, *arguments], capture_output=True, text=True, check=False
        )

    def is_healthy(self) -> bool:
        """Whether its own health check says so."""
        config = inspected(self.image)
        health = config.get("Healthcheck") or config["Config"]["Healthcheck"]
        assert health["Test"][0] == "CMD", health
        return self.does(*health["Test"][1:]).returncode == 0

    def log(self) -> str:
        """All that it said."""
        done = subprocess.run([*engine(), "logs", self.name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        ask("stop", "--time=40", self.name)
        return int(ask("wait", self.name))
