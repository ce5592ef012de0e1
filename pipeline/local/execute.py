"""What `python3` and `pip` are inside a step: this Python, with the paths and packages of one machine.

    python3 -m kfp.dsl.executor_main …   kfp's executor, `minio://bucket/key` lying in the run's own folder
    python3 -m pip install kfp==2.17.0   nothing, where all that is asked for is installed already; else pip
    python3 anything else                just that

Lightweight components begin by installing kfp and the packages they name. Where those are installed, at a
version that satisfies what they ask for, there is nothing to fetch and no network is needed.
"""

import importlib.metadata
import os
import sys

FOLDER = "PIPELINE_RUN_FOLDER"
EXECUTOR = "kfp.dsl.executor_main"
PREFIXES = {"minio": "_MINIO_LOCAL_MOUNT_PREFIX", "s3": "_S3_LOCAL_MOUNT_PREFIX", "gs": "_GCS_LOCAL_MOUNT_PREFIX"}
# Options of `pip install` that change nothing where nothing has to be installed.
FLAGS = {
    "--quiet",
    "-q",
    "--no-deps",
    "--no-warn-script-location",
    "--disable-pip-version-check",
    "--no-input",
    "--user",
}
FLAGS_WITH_VALUE = {"--index-url", "-i", "--extra-index-url", "--trusted-host", "--find-links", "-f"}


def main(arguments: list[str]) -> None:
    """Do what `python3` with these arguments is asked for."""
    if arguments[:2] == ["-m", EXECUTOR] and FOLDER in os.environ:
        _execute(arguments[2:], os.environ[FOLDER])
    elif arguments[:3] == ["-m", "pip", "install"] and installed(arguments[3:]):
        return
    else:
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - what the step asked for, as it is


def installed(arguments: list[str]) -> bool:
    """Whether `pip install` with these arguments would find everything there."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - only where pip is asked for

    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in FLAGS:
            continue
        if word in FLAGS_WITH_VALUE:
            del rest[:1]
            continue
        try:
            wanted = Requirement(word)
        except InvalidRequirement:
            return False  # an option or a form that pip itself must look at
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            return False
        if wanted.url or not wanted.specifier.contains(version, prereleases=True):
            return False
    return True


def _execute(arguments: list[str], folder: str) -> None:
    """Run kfp's executor with the remote prefixes pointing into the run's folder."""
    from kfp.dsl import executor_main  # noqa: PLC0415 - takes most of a second; pip and others do not need it
    from kfp.dsl.types import artifact_types  # noqa: PLC0415

    for scheme, constant in PREFIXES.items():
        if not hasattr(artifact_types, constant):
            sys.exit(f"this kfp has no {constant}: the local runner needs kfp 2.17")
        setattr(artifact_types, constant, f"{folder}/{scheme}/")
    sys.argv = [EXECUTOR, *arguments]
    executor_main.executor_main()


if __name__ == "__main__":
    main(sys.argv[1:])
