"""`binocular models`, `promote`, `rollback`, `sign` and `prune`: what is published, and what is served."""

import json
import os
import pwd
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from binocular import registry, retention
from binocular.bundle import Bundle
from binocular.datasets import dataset_card
from binocular.errors import BinocularError, NotFoundError
from binocular.parallel import in_parallel
from binocular.publication import read_manifest
from binocular.registry import Production, prefix
from binocular.settings import Settings
from binocular.signatures import Signer, signature_key
from binocular.store import Store, connect

NEWEST = 20
DIGEST_SHOWN = 12
ACCURACY = "accuracy"
VERSION = click.IntRange(min=1)
# A store that is just being started is there within this; nobody waits longer at a terminal.
REFUSED_S = 3.0

console = Console(highlight=False, soft_wrap=True)
named = click.option("--model", "name", help="Which model.  [default: BINOCULAR_MODEL_NAME]")
agreed = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command("models")
@named
@click.option("--all", "everything", is_flag=True, help=f"Every version, not just the newest {NEWEST}.")
@click.option("--json", "as_json", is_flag=True, help="For a program: also the whole history of production.")
@click.option("--card", "card", type=VERSION, help="The model card of this version, as Markdown.")
@click.option("--dataset-card", "data", type=VERSION, help="The card of the data that this version learnt from.")
@click.pass_obj
def show_models(
    settings: Settings, name: str | None, card: int | None, data: int | None, *, everything: bool, as_json: bool
) -> None:
    """Show the versions of a model, the newest first, and which is in production since when, by whom and why."""
    store, model = _store(settings), name or settings.model_name
    if card or data:
        click.echo(registry.card(store, model, card) if card else _dataset_card(store, model, data or 0), nl=False)
        return
    present = registry.production(store, model)
    published = [each for each in registry.versions(store, model) if not present or each not in present.retired]
    shown = published[::-1] if everything else published[: -NEWEST - 1 : -1]
    rows = list(in_parallel(store.endpoint.parallel, lambda version: _row(store, model, version, present), shown))
    if as_json:
        moves = [move.model_dump() for move in present.moves] if present else []
        serves = present.version if present else None
        click.echo(json.dumps({"model": model, "production": serves, "moves": moves, "versions": rows}, indent=1))
        return
    if not rows:
        raise NotFoundError(f"no version of {model} is published; `binocular run` makes one")
    console.print(_table(rows))
    for row in rows:
        if "problem" in row:
            console.print(f"version {row['version']}: {row['problem']}", style="red", markup=False)
        if row.get("why"):
            console.print(f"version {row['version']} is in production, by {row['by']}: {row['why']}", markup=False)
    if len(shown) < len(published):
        console.print(f"and {len(published) - len(shown)} older; --all shows them")


def _store(settings: Settings) -> Store:
    return connect(settings, refused_s=REFUSED_S)


def _dataset_card(store: Store, model: str, version: int) -> str:
    reference = registry.facts(store, model, version).snapshot
    if reference is None:
        raise NotFoundError(f"version {version} of {model} does not say what it learnt from")
    return dataset_card(store, reference)


def _row(store: Store, model: str, version: int, present: Production | None) -> dict[str, Any]:
    """What is told of a version."""
    row: dict[str, Any] = {"version": version, "production": bool(present and present.version == version)}
    if present and row["production"] and present.moves:
        move = present.moves[0]
        row |= {"since": move.at, "by": move.by, "why": move.why}
    try:
        return row | _told(registry.facts(store, model, version))
    except BinocularError as error:  # one that cannot be read hides no other
        return {**row, "problem": str(error)}


def _told(facts: Bundle) -> dict[str, Any]:
    return {
        "created": facts.created,
        "run": facts.run,
        "metrics": facts.metrics,
        "snapshot": facts.snapshot.digest if facts.snapshot else None,
        "architecture": facts.architecture,
        "classes": list(facts.classes),
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    """A line a version; what may be long, by whom and why it is in production, comes below."""
    titles = ("version", "created", "accuracy", "snapshot", "production since")
    table = Table(*(Column(title, no_wrap=True) for title in titles), box=None, pad_edge=False)
    for row in rows:
        accuracy = row.get("metrics", {}).get(ACCURACY)
        table.add_row(
            str(row["version"]),
            _time(row.get("created")),
            "" if accuracy is None else f"{accuracy:.1%}",
            (row.get("snapshot") or "")[:DIGEST_SHOWN],
            _time(row.get("since")),
            style="bold" if row["production"] else "",
        )
    return table


def _time(iso: str | None) -> str:
    """A time as this machine's clock shows it."""
    try:
        return f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d %H:%M}" if iso else ""
    except ValueError:
        return str(iso)


@click.command("promote")
@click.argument("version", type=VERSION)
@click.option("--why", default="by hand", show_default=True, help="For the record.")
@named
@agreed
@click.pass_obj
def promote(settings: Settings, version: int, why: str, name: str | None, *, yes: bool) -> None:
    """Put VERSION into production, an older one as well."""
    store, model = _store(settings), name or settings.model_name
    present = registry.production(store, model)
    if present and present.version == version:
        console.print(f"version {version} of {model} is in production already")
        return
    registry.file_key(store, model, version, "")  # it must be there before anybody is asked
    if _agreed(f"production of {model}: {present.version if present else 'nothing'} → {version}?", yes=yes):
        registry.promote(store, model, version, by=_user(), why=why, over=present.version if present else None)
        console.print(f"version {version} of {model} is in production")


@click.command("rollback")
@click.option("--why", default="rolled back by hand", show_default=True, help="For the record.")
@named
@agreed
@click.pass_obj
def roll_back(settings: Settings, why: str, name: str | None, *, yes: bool) -> None:
    """Put the version that was in production before back; done again, it undoes itself."""
    store, model = _store(settings), name or settings.model_name
    present = registry.production(store, model)
    question = f"production of {model}: {present.version} → {present.previous}?" if present else ""
    if not present or present.previous is None or _agreed(question, yes=yes):
        over = present.version if present else None
        moved = registry.roll_back(store, model, by=_user(), why=why, over=over)
        console.print(f"version {moved.version} of {model} is in production")


@click.command("sign")
@click.argument("version", type=VERSION)
@click.option(
    "--key", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), help="PEM file."
)
@named
@click.pass_obj
def sign(settings: Settings, version: int, key: Path, name: str | None) -> None:
    """Sign VERSION as it is in the store with the private key of a PEM file."""
    store, model = _store(settings), name or settings.model_name
    signer = Signer.read(key)
    place = prefix(model, version)
    manifest = read_manifest(store, place)
    if manifest is None:
        raise NotFoundError(f"there is no version {version} of {model}")
    signature = signer.sign(model, version, manifest)
    store.put(signature_key(place, manifest), signature.text().encode(), "application/json")
    console.print(f"version {version} of {model} is signed with key {signature.key}")


@click.command("prune")
@click.option(
    "--keep", type=click.IntRange(min=1), help="How many of the newest stay.  [default: BINOCULAR_MODEL_KEEP]"
)
@named
@agreed
@click.pass_obj
def prune(settings: Settings, keep: int | None, name: str | None, *, yes: bool) -> None:
    """Delete old versions; the one in production, the one before it and the newest ones stay."""
    store, model = _store(settings), name or settings.model_name
    number = keep or settings.model_keep
    present = registry.production(store, model)
    old = retention.superfluous(registry.versions(store, model), present, number) if present else set()
    if not old:
        console.print("nothing to delete")
    elif _agreed(f"delete {len(old)} versions of {model}: {_listed(old)}?", yes=yes):
        console.print(f"deleted: {_listed(retention.prune(store, model, number))}")


def _listed(versions: set[int] | list[int]) -> str:
    return ", ".join(map(str, sorted(versions)))


def _agreed(question: str, *, yes: bool) -> bool:
    """Ask, unless that is not wanted; who says no changes nothing."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked; add --yes")
    if click.confirm(question):
        return True
    console.print("nothing was changed")
    return False


def _user() -> str:
    """Who does this, as the operating system knows them and not as a variable says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number without a name
        return f"user {os.getuid()}"
