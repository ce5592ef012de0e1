"""`python -m gateway`: the gateway for one machine or one pod, as the settings say."""

import os
import shutil
import sys
from pathlib import Path

from binocular import tokens
from binocular.errors import BinocularError, of_this_machine
from binocular.logs import configure
from binocular.parts import gateway_folder, gateway_token
from binocular.settings import load, variable

METRICS = "PROMETHEUS_MULTIPROC_DIR"
EXIT_FAILED = 1


def main() -> int:
    """Serve; the exit code."""
    try:
        settings = load()
        configure(settings)
        _count_in(settings.home / "run" / "gateway-metrics")
        from gateway.history import History  # noqa: PLC0415 - see _count_in
        from gateway.serving import Gateway  # noqa: PLC0415

        gateway_token(settings)  # made once, before several workers would
        tokens.read(settings.home)  # a file that is broken is better seen now
        History(gateway_folder(settings)).begin()
    except BinocularError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"gateway: {of_this_machine(error)}; {variable('home')} names the folder", file=sys.stderr)
        return EXIT_FAILED
    Gateway(settings).run()
    return 0


def _count_in(folder: Path) -> None:
    """Let all workers count in one folder; the metrics look for it as they are imported."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ[METRICS] = str(folder)


if __name__ == "__main__":
    sys.exit(main())
