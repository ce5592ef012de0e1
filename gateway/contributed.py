"""`/v1/data` and `/v1/contributions`: what the next training will learn from, image by image.

Counts are for whoever may ask for predictions. The images themselves are people's photos: to see them needs what
sending them needs.
"""

import io
import json
from datetime import datetime
from typing import Any

from flask import Blueprint, Response
from PIL import Image

from binocular import datasets
from binocular.contributions import KINDS, contribution_key
from binocular.errors import IntegrityError, NotFoundError, RequestError
from binocular.imaging import identify
from binocular.messages.data import (
    ClassCounts,
    Contributed,
    Contributions,
    ContributionsQuery,
    Dataset,
    TakenBack,
    ThumbnailQuery,
    WhichImage,
)
from binocular.publication import MANIFEST, read_manifest
from binocular.snapshot import FACTS, SPLITS
from gateway.calls import call, query
from gateway.decoding import decode
from gateway.services import services
from gateway.waiting import Sent, by_kind, sent

blueprint = Blueprint("contributed", __name__)

JPEG = "image/jpeg"
QUALITY = 82
# The same address is the same picture for ever; only for the one browser that may see it.
KEPT = "private, max-age=31536000, immutable"


@blueprint.get("/v1/data")
@call("What the next training starts from", Dataset, scope="predict", refuses=(502, 503))
def show_data() -> Dataset:
    """The classes of the newest snapshot with their images by split, and what waits of each."""
    here = services()
    name = here.settings.model_name
    digest, frozen_at, facts = _newest_snapshot(name)
    counts = facts.get("counts", {})
    waiting = here.waiting.of(here.versions.current())
    labels = sorted({*(label for split in counts.values() for label in split), *(label for label, _ in waiting)})
    return Dataset(
        name=name,
        snapshot=digest,
        frozen_at=frozen_at,
        images=facts.get("images", 0),
        rejected=facts.get("rejected", 0),
        classes=[
            ClassCounts(
                label=label,
                **{split: counts.get(split, {}).get(label, 0) for split in SPLITS},
                uploads=waiting[label, "uploads"],
                feedback=waiting[label, "feedback"],
            )
            for label in labels
        ],
        **by_kind(waiting),
    )


@blueprint.get("/v1/contributions")
@call("List what people sent", Contributions, query=ContributionsQuery, scope="data", refuses=(400, 503))
def list_contributions() -> Contributions:
    """Uploads and corrections, the newest first; by default those that wait for a training."""
    wanted = query(ContributionsQuery)
    found = [
        each
        for each in _sent()
        if (each.waits or not wanted.waits)
        and wanted.label in {None, each.what.label}
        and wanted.kind in {None, each.what.kind}
    ]
    found.sort(key=_place, reverse=True)
    after = _parsed(wanted.after) if wanted.after else None
    rest = [each for each in found if after is None or _place(each) < after]
    page = rest[: wanted.limit]
    return Contributions(
        images=[
            Contributed(
                kind=each.what.kind,
                label=each.what.label,
                sha256=each.what.sha256,
                size=each.size,
                at=each.at,
                waits=each.waits,
            )
            for each in page
        ],
        total=len(found),
        next="~".join(_place(page[-1])) if len(rest) > len(page) else None,
    )


@blueprint.get("/v1/contributions/<kind>/<sha256>/image")
@call(
    "See an image that somebody sent", JPEG, query=ThumbnailQuery, scope="data", refuses=(400, 404, 413, 422, 503)
)
def show_contribution(kind: str, sha256: str) -> Response:
    """Small, and decoded and encoded anew: nothing of the file that was sent comes through but its pixels."""
    wanted, here = query(ThumbnailQuery), services()
    data = b"".join(here.store.stream(_key(kind, wanted.label, sha256)))
    facts = identify(data, here.most_pixels)
    share = min(1.0, wanted.side / max(facts.width, facts.height))
    height, width = max(1, round(share * facts.height)), max(1, round(share * facts.width))
    out = io.BytesIO()
    Image.fromarray(decode(data, height, width, here.most_pixels)).save(out, "JPEG", quality=QUALITY)
    return Response(out.getvalue(), content_type=JPEG, headers={"Cache-Control": KEPT})


@blueprint.delete("/v1/contributions/<kind>/<sha256>")
@call("Take back an image that was sent", TakenBack, query=WhichImage, scope="data", refuses=(400, 404, 503))
def take_back(kind: str, sha256: str) -> TakenBack:
    """The next training does without it; a version that has learnt from it stays as it is."""
    label = query(WhichImage).label
    key = _key(kind, label, sha256)
    here = services()
    here.store.stat(key)
    here.store.delete(key)
    here.waiting.changed()
    return TakenBack(kind=kind, label=label, sha256=sha256)


def _sent() -> list[Sent]:
    here = services()
    production = here.versions.current()
    return list(sent(here.store, production[1] if production else None))


def _newest_snapshot(name: str) -> tuple[str | None, datetime | None, dict[str, Any]]:
    """Digest, time and facts of the newest snapshot; nothing before the first."""
    store = services().store
    reference = datasets.latest(store, name)
    manifest = read_manifest(store, reference.prefix) if reference else None
    if reference is None or manifest is None:
        return None, None, {}
    key = f"{reference.prefix}/{manifest.digest}/{FACTS}"
    try:
        facts = json.loads(store.read(key).data)
    except ValueError as error:
        raise IntegrityError(f"{key} is damaged: {error}") from None
    return reference.digest, store.stat(f"{reference.prefix}/{MANIFEST}").modified, facts


def _key(kind: str, label: str, sha256: str) -> str:
    known = next((each for each in KINDS if each == kind), None)
    if known is None:
        raise NotFoundError(f"{kind[:20]!r} was expected to be one of {', '.join(KINDS)}")
    return contribution_key(known, label, sha256)


def _place(each: Sent) -> tuple[str, str]:
    """Where an image is in the list: by time, then by key."""
    return each.at.isoformat(), each.key


def _parsed(after: str) -> tuple[str, str]:
    at, tilde, key = after.partition("~")
    if not tilde:
        raise RequestError("after: what an earlier answer had as 'next' was expected")
    return at, key
