"""`python -m serving.server --model_name=waste --model_base_path=/models/waste`."""

import importlib.metadata
import sys

from binocular.errors import BinocularError
from binocular.logs import configure
from binocular.settings import load
from serving.server import flags

EXIT_FAILED = 255  # the original's -1


def main(arguments: list[str]) -> int:
    """Serve; the exit code."""
    if "--help" in arguments:
        print("python -m serving.server: TensorFlow Serving's API, with these of its flags\n" + flags.usage())
        return 0
    try:
        told = flags.parse(arguments)
        if told.version:
            print(f"Binocular model server {importlib.metadata.version('binocular')}")
            return 0
        configure(load())
        from serving.server.server import Server  # noqa: PLC0415 - a wrong flag is said before anything is loaded

        Server(told).run()
    except BinocularError as error:
        print(f"serving.server: {error}", file=sys.stderr)
        return error.exit_code if error.exit_code != 1 else EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
