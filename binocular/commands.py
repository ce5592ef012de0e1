"""The edge between a command line and the shell: the one place where an error becomes a line and an exit code."""

import sys
from typing import NoReturn

import click

from binocular.errors import BinocularError, of_this_machine

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def run(command: click.Command, name: str, program: str | None = None) -> object:
    """Run a command and return what it returns; an error becomes `name: message` and an exit code.

    `program` is what its usage line calls it, where that is more than its name.
    """
    try:
        return command(prog_name=program or name, standalone_mode=False)
    except BinocularError as error:
        _leave(name, str(error), error.exit_code)
    except OSError as error:
        _leave(name, of_this_machine(error), EXIT_FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _leave(name, "interrupted", EXIT_INTERRUPTED)


def _leave(name: str, message: str, code: int) -> NoReturn:
    click.echo(f"{name}: {message}", err=True)
    sys.exit(code)
