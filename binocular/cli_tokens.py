"""`binocular token`, `tokens` and `revoke`: who may use the gateway, and for what."""

from typing import cast

import click
from rich.console import Console
from rich.table import Table

from binocular import tokens
from binocular.settings import Settings, variable
from binocular.tokens import ADMIN, MEANINGS, SCOPES, Scope, Token

console = Console(highlight=False, soft_wrap=True)


@click.command("token")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What it may do; may be repeated. " + "; ".join(f"{scope}: {what}" for scope, what in MEANINGS.items()),
)
@click.pass_obj
def issue(settings: Settings, name: str, scopes: tuple[str, ...]) -> None:
    """Make a token called NAME and print it, this once: only its digest is kept."""
    token = tokens.issue(settings.home, name, cast("frozenset[Scope]", frozenset(scopes)))
    line = next(each.line() for each in tokens.read(settings.home) if each.name == name)
    click.echo(token)
    click.echo(
        f"This machine's gateway takes it from now on; another one with {variable('gateway_tokens')}={line}",
        err=True,
    )


@click.command("tokens")
@click.pass_obj
def show(settings: Settings) -> None:
    """Show which tokens there are: names, scopes and where each is kept."""
    table = Table("name", "scopes", "kept in", box=None, pad_edge=False)
    table.add_row(ADMIN, ADMIN, variable("gateway_token") if settings.gateway_token.get_secret_value() else "home")
    for place, found in (
        (tokens.FILE, tokens.read(settings.home)),
        (variable("gateway_tokens"), tokens.parse(settings.gateway_tokens.get_secret_value())),
    ):
        for each in found:
            table.add_row(each.name, _scopes(each), place)
    console.print(table)


@click.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke(settings: Settings, name: str) -> None:
    """Take the token called NAME back: it opens nothing from now on."""
    tokens.revoke(settings.home, name)
    console.print(f"token {name} opens nothing any more", markup=False)


def _scopes(token: Token) -> str:
    return ", ".join(scope for scope in SCOPES if scope in token.scopes)
