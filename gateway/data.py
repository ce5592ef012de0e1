"""`/v1/feedback` and `/v1/images`: what people know better becomes training data.

Nothing is acknowledged before it is in the store. The same image under the same label is one object however often
it is sent, so a request whose answer got lost may simply be sent again.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from flask import Blueprint, request

from binocular.contributions import KINDS, Contribution, Kind, class_prefix, contribution_key
from binocular.errors import (
    BinocularError,
    InvalidLabelError,
    NotFoundError,
    RequestError,
    SourceError,
    TooLargeError,
)
from binocular.inspection import Inspection
from binocular.labels import alike, check_label
from binocular.layout import Layout
from binocular.messages import Conflict, Feedback, Refusal, Stored, Taken
from binocular.parallel import in_parallel
from binocular.store import Store
from binocular.zips import zip_members, zip_names
from gateway import intake
from gateway.calls import call, json_body
from gateway.corrections import correct
from gateway.decoding import decode
from gateway.predictions import BINARY
from gateway.services import services
from gateway.waiting import classes, sent

blueprint = Blueprint("data", __name__)

MOST_FILES = 1000
MOST_IN_ZIP = 10_000
# So many keys are asked for one by one; for more of them all that was sent is listed, however much that is.
ASKED_ONE_BY_ONE = 100
# An image is good if it can be decoded; how large does not matter.
PROBE = 32
UPLOADS: Kind = "uploads"
FORM = {
    "type": "object",
    "required": ["files"],
    "properties": {"label": {"type": "string"}, "files": {"type": "array", "items": BINARY}},
}


@blueprint.post("/v1/feedback")
@call(
    "Say what an image really shows",
    Stored,
    takes=Feedback,
    scope="data",
    refuses=(400, 404, 409, 413, 415, 503, 507),
)
def feedback() -> Stored:
    """The right label of an earlier prediction, by its id, while its image is kept. The newest counts."""
    told = json_body(Feedback)
    label = _known_spelling(told.label)
    sha256, duplicate = correct(services().store, label, services().keeper.read(told.id))
    if not duplicate:
        _written()
    return Stored(label=label, sha256=sha256, duplicate=duplicate)


@blueprint.post("/v1/images")
@call(
    "Give labelled images to the next training",
    Taken,
    forms={"multipart/form-data": FORM, "application/zip": BINARY},
    scope="data",
    refuses=(400, 413, 415, 422, 503, 507),
)
def images() -> Taken:
    """A form with `label` and `files`, or a zip of a folder for each class, as `files` or as the body."""
    with intake.uploaded_zip("files") as archive:
        if archive is not None:
            if "label" in request.form:
                raise RequestError("a zip tells the classes by its folders: leave 'label' out, or send the files")
            return _take(_from_zip(archive))
    files = intake.form_files("files")
    if len(files) > MOST_FILES:
        raise TooLargeError(f"{len(files)} files in one request; at most {MOST_FILES} are taken")
    if len(request.form.getlist("label")) != 1:
        raise RequestError("the form needs one 'label'")
    label = _known_spelling(request.form["label"])
    return _take((file.filename or "", label, file.read()) for file in files)


def _from_zip(path: Path) -> Iterator[tuple[str, str, bytes]]:
    limits = intake.zip_limits(MOST_IN_ZIP)
    names = list(zip_names(path, Inspection("the zip", limits)))
    layout = Layout(names, "the zip")
    # Every class is in order before the first image is stored.
    labels = _known_spellings({each.label for each in map(layout.place, names) if each})
    for member in zip_members(path, Inspection("the zip", limits)):
        if place := layout.place(member.name):
            yield member.name, labels[place.label], member.read()


def _take(found: Iterable[tuple[str, str, bytes]]) -> Taken:
    """Store what can be decoded; a file that cannot does not hinder the others."""
    here = services()
    stored: Counter[str] = Counter()
    duplicates, refused = 0, []
    taken: list[tuple[str, str, str]] = []
    for name, label, data in found:
        try:
            decode(data, PROBE, PROBE, here.most_pixels)
        except BinocularError as error:
            refused.append(Refusal(file=name, code=error.code, detail=str(error)))
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        taken.append((name, label, sha256))
        if here.store.create(contribution_key(UPLOADS, label, sha256), data, "application/octet-stream"):
            stored[label] += 1
        else:
            duplicates += 1
    if stored:
        _written()
    if not stored and not duplicates and not refused:
        raise SourceError("no images came; send files, or a zip of a folder for each class")
    return Taken(
        stored=stored.total(),
        duplicates=duplicates,
        labels=dict(stored),
        refused=refused,
        conflicts=_conflicts(taken),
    )


def _written() -> None:
    """Something new is stored."""
    here = services()
    here.waiting.changed()
    here.automatic.look_soon()


def _conflicts(taken: list[tuple[str, str, str]]) -> list[Conflict]:
    """Which of the files, each with its label and SHA-256, are there under another label as well.

    Looked for once they are stored: of two who send an image at once, one at least is told.
    """
    uploaded: dict[str, set[str]] = {sha256: set() for _, _, sha256 in taken}
    corrected: dict[str, set[str]] = {}
    for each in _there(set(uploaded)):
        of_its_kind = uploaded if each.kind == UPLOADS else corrected
        of_its_kind.setdefault(each.sha256, set()).add(each.label)
    found = []
    for name, label, sha256 in taken:
        # What was corrected is settled, whatever it is sent as.
        if others := corrected.get(sha256, uploaded[sha256]) - {label}:
            found.append(Conflict(file=name, label=label, others=sorted(others)))
    return found


def _there(wanted: set[str]) -> Iterator[Contribution]:
    """What was sent so far that has one of these SHA-256."""
    store = services().store
    places = [Contribution(*each, sha256) for each in classes(store) for sha256 in wanted]
    if len(places) > ASKED_ONE_BY_ONE:
        return (each.what for each in sent(store, None) if each.what.sha256 in wanted)
    there = in_parallel(store.endpoint.parallel, partial(_is_there, store), places)
    return (place for place, is_there in zip(places, there, strict=True) if is_there)


def _is_there(store: Store, what: Contribution) -> bool:
    try:
        store.stat(contribution_key(what.kind, what.label, what.sha256))
    except NotFoundError:
        return False
    return True


def _known_spelling(text: str) -> str:
    """The label, unless it is a class we know but for case or spelling: training would stop at such a pair."""
    return _known_spellings({text})[text]


def _known_spellings(texts: set[str]) -> dict[str, str]:
    """The label that each text is, if all are in order."""
    labels = {text: check_label(text) for text in sorted(texts)}
    here = services()
    production = here.versions.current()
    known = set(production[1].classes) if production else set()
    new = set(labels.values()) - known
    sent_of = {label for _, label in classes(here.store)} if new else set()
    for other in sorted(known | sent_of) if new else ():
        for label in sorted(new - {other}):
            if alike(other) == alike(label) and (other in known or _is_sent(here.store, other)):
                raise InvalidLabelError(
                    f"class name {label!r} is too like {other!r}, which there is; did you mean that?"
                )
    return labels


def _is_sent(store: Store, label: str) -> bool:
    """Whether anything of a class is there."""
    return any(True for kind in KINDS for _ in store.entries(class_prefix(kind, label)))
