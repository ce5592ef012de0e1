"""The edge between a command line and the shell: the one place where an error becomes a line and an exit code.

Every command takes `--debug`, which shows where an error came from as well.
"""

import sys
import traceback
from typing import NoReturn

import click

from binocular.errors import EXIT_FAILED, BinocularError, of_this_machine

EXIT_BUG = 70  # what sysexits.h calls an internal software error
EXIT_INTERRUPTED = 130
DEBUG = "--debug"


def run(command: click.Command, name: str, program: str | None = None) -> object:
    """Run a command and return what it returns; an error becomes `name: message` and an exit code.

    `program` is what its usage line calls it, where that is more than its name.
    """
    given = [argument for argument in sys.argv[1:] if argument != DEBUG]
    try:
        return command(given, prog_name=program or name, standalone_mode=False)
    except BinocularError as error:
        _leave(name, str(error), error.exit_code)
    except OSError as error:
        _leave(name, of_this_machine(error), EXIT_FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _leave(name, "interrupted", EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - a bug of ours, which must not look like the user's
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _leave(name, f"a fault of ours: {what}; the same with {DEBUG} says where", EXIT_BUG)


def _leave(name: str, message: str, code: int) -> NoReturn:
    if DEBUG in sys.argv:
        traceback.print_exc()
    click.echo(f"{name}: {message}", err=True)
    sys.exit(code)
