"""`/v1/models`: the versions of the model, and which of them is in production."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, request

from binocular import registry
from binocular.bundle import CARD, Quantization
from binocular.errors import BinocularError, ConflictError
from binocular.messages import Listing
from binocular.messages.models import (
    ModelFile,
    Models,
    Moved,
    Promote,
    Promoted,
    Quantized,
    SnapshotNamed,
    Version,
    VersionDetail,
)
from binocular.messages.runs import Chosen, EnergyUsed
from binocular.registry import Move, Production
from gateway.calls import call, json_body, query
from gateway.journal import note
from gateway.services import services

blueprint = Blueprint("models", __name__)


@blueprint.get("/v1/models")
@call("List the versions of the model", Models, query=Listing, scope="predict", refuses=(400, 502, 503))
def list_models() -> Models:
    """The newest first, each with its metrics on the test images."""
    here, wanted = services(), query(Listing)
    name = here.settings.model_name
    production = registry.production(here.store, name)
    answering = available()
    numbers = registry.versions(here.store, name)[: -wanted.limit - 1 : -1]
    return Models(
        name=name,
        production=production.version if production else None,
        previous=production.previous if production else None,
        moves=_moves(production.moves if production else ()),
        versions=[Version(**_version(number, production, answering)) for number in numbers],
    )


@blueprint.get("/v1/models/<int:version>")
@call("Show a version of the model", VersionDetail, scope="predict", refuses=(404, 502, 503))
def show_model(version: int) -> VersionDetail:
    """What it learnt from, how, what came of it, its files and its card."""
    here = services()
    name = here.settings.model_name
    production = registry.production(here.store, name)
    facts, manifest = here.versions.published(version), here.versions.manifest(version)
    moves = [move for move in (production.moves if production else ()) if move.version == version]
    has_card = any(file.path == CARD for file in manifest.files)
    card = here.store.read(here.versions.key(version, CARD)).data if has_card else b""
    return VersionDetail(
        **_version(version, production, available()),
        moves=_moves(moves),
        snapshot=SnapshotNamed(**facts.snapshot.model_dump()) if facts.snapshot else None,
        counts=facts.counts,
        weights=facts.weights,
        recipe=facts.recipe,
        chosen=[Chosen(**each.model_dump()) for each in facts.chosen],
        energy=EnergyUsed(**facts.energy.model_dump()) if facts.energy else None,
        quantization=_quantized(facts.quantization),
        image=[facts.height, facts.width],
        files=[ModelFile(name=file.path, size=file.size, sha256=file.sha256) for file in manifest.files],
        card=card.decode(errors="replace"),
    )


@blueprint.post("/v1/models/<int:version>/promote")
@call(
    "Put a version into production",
    Promoted,
    takes=Promote,
    body_required=False,
    scope="admin",
    refuses=(400, 404, 409, 413, 415, 503),
)
def promote(version: int) -> Promoted:
    """Forward or back. With `over`, only while that version is in production."""
    here, asked = services(), json_body(Promote, optional=True)
    name = here.settings.model_name
    present = registry.production(here.store, name)
    before = present.version if present else None
    if asked.over is not None and asked.over != before:
        raise ConflictError(f"version {before} of {name} is in production, not {asked.over}", production=before)
    who = here.door.caller(request).name or "gateway"
    registry.promote(here.store, name, version, by=who, why=asked.why, over=before)
    note(promoted=version, before=before)
    return Promoted(name=name, version=version, before=before)


def _quantized(became: Quantization | None) -> Quantized | None:
    return Quantized(**became.model_dump(exclude={"compared"})) if became else None


def _moves(moves: Sequence[Move]) -> list[Moved]:
    return [Moved(**move.model_dump()) for move in moves]


def available() -> list[int]:
    """The versions that the model server answers with; none where it does not answer."""
    try:
        return services().model.available()
    except BinocularError:
        return []


def _version(number: int, production: Production | None, answering: Sequence[int]) -> dict[str, Any]:
    here = services()
    facts = here.versions.published(number)
    decided = here.decisions.of(facts.run)
    return {
        "version": number,
        "created": facts.created,
        "run": facts.run,
        "architecture": facts.architecture,
        "classes": facts.classes,
        "metrics": facts.metrics,
        "champion": facts.champion,
        "production": production is not None and production.version == number,
        "available": number in answering,
        "retired": production is not None and number in production.retired,
        "summary": decided.verdict.summary if decided else None,
    }
