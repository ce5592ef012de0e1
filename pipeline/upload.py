"""Uploading the compiled package to a Kubeflow Pipelines: `python -m pipeline.upload`.

    python -m pipeline.upload                     # pipeline/pipeline.yaml, to BINOCULAR_KFP_URL
    python -m pipeline.upload mine.yaml

A version is called by the digest of its package. What is there already is left alone, so this may run as often as
one likes, also twice at once.
"""

import argparse
import hashlib
import logging
import sys
from pathlib import Path

from binocular import logs
from binocular.errors import EXIT_FAILED, BinocularError, of_this_machine
from binocular.runs import Runs
from binocular.settings import load
from pipeline import PACKAGE

NAME = "binocular"
DIGEST_CHARACTERS = 12

log = logging.getLogger("pipeline.upload")


def version_of(package: Path) -> str:
    """What the version of a package is called."""
    return f"{NAME}-{hashlib.sha256(package.read_bytes()).hexdigest()[:DIGEST_CHARACTERS]}"


def main() -> int:
    """Upload a package; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.upload", description="Upload the compiled pipeline.")
    parser.add_argument("package", type=Path, nargs="?", default=PACKAGE)
    package = parser.parse_args().package
    try:
        settings = load()
        logs.configure(settings)
        version = version_of(package)
        made = Runs(settings).upload(package, NAME, version)
        log.info("uploaded" if made else "there already", extra={"pipeline": NAME, "version": version})
    except BinocularError as error:
        print(f"upload: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"upload: {of_this_machine(error)}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
