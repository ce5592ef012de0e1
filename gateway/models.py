"""`/v1/models`: the versions of the model, and which of them is in production."""

from flask import Blueprint

from binocular import registry
from binocular.errors import BinocularError, ConflictError
from gateway.calls import call, json_body, query
from gateway.journal import note
from gateway.messages import Listing, Models, Promote, Promoted, Version
from gateway.services import services

blueprint = Blueprint("models", __name__)


@blueprint.get("/v1/models")
@call("List the versions of the model", Models, query=Listing, refuses=(400, 503))
def list_models() -> Models:
    """The newest first, each with its metrics on the test images."""
    here, wanted = services(), query(Listing)
    name = here.settings.model_name
    production = registry.production(here.store, name)
    current = production.version if production else None
    found = available()
    return Models(
        name=name,
        production=current,
        versions=[
            _version(number, production=number == current, answers=number in found)
            for number in registry.versions(here.store, name)[: -wanted.limit - 1 : -1]
        ],
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
    registry.promote(here.store, name, version, by="gateway", why=asked.why, over=before)
    note(promoted=version, before=before)
    return Promoted(name=name, version=version, before=before)


def available() -> list[int]:
    """The versions that the model server answers with; none where it does not answer."""
    try:
        return services().model.available()
    except BinocularError:
        return []


def _version(number: int, *, production: bool, answers: bool) -> Version:
    facts = services().versions.published(number)
    return Version(
        version=number,
        created=facts.created,
        run=facts.run,
        architecture=facts.architecture,
        classes=facts.classes,
        metrics=facts.metrics,
        champion=facts.champion,
        production=production,
        available=answers,
    )
