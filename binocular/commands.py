"""The edge between a command line and the shell: the one place where an error becomes a line and an exit code."""

import sys

import click

from binocular.errors import BinocularError, of_this_machine

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def run(command: click.Command, name: str) -> None:
    """Run a command; what it raises becomes `name: message` on standard error and an exit code."""
    try:
        command(prog_name=name, standalone_mode=False)
    except BinocularError as error:
        _leave(name, str(error), error.exit_code)
    except OSError as error:
        _leave(name, of_this_machine(error), EXIT_FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _leave(name, "interrupted", EXIT_INTERRUPTED)


def _leave(name: str, message: str, code: int) -> None:
    click.echo(f"{name}: {message}", err=True)
    sys.exit(code)
