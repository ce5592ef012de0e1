"""`/v1/feedback` and `/v1/images`: what people know better becomes training data.

Nothing is acknowledged before it is in the store. The same image under the same label is one object however often
it is sent, so a request whose answer got lost may simply be sent again.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from flask import Blueprint, request

from binocular.contributions import Contribution, Kind, contribution_key
from binocular.errors import (
    BinocularError,
    InvalidLabelError,
    RequestError,
    SourceError,
    TooLargeError,
)
from binocular.inspection import Inspection
from binocular.labels import alike, check_label
from binocular.layout import Layout
from binocular.messages import Conflict, Feedback, Refusal, Stored, Taken
from binocular.zips import zip_members, zip_names
from gateway import intake
from gateway.calls import call, json_body
from gateway.corrections import correct
from gateway.decoding import decode
from gateway.predictions import BINARY
from gateway.services import services
from gateway.waiting import sent

blueprint = Blueprint("data", __name__)

MOST_FILES = 1000
MOST_IN_ZIP = 10_000
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
    here.automatic.written()


def _conflicts(taken: list[tuple[str, str, str]]) -> list[Conflict]:
    """Which of the files, each with its label and SHA-256, are there under another label as well.

    Looked for once they are stored: of two who send an image at once, one at least is told.
    """
    uploaded: dict[str, set[str]] = {sha256: set() for _, _, sha256 in taken}
    corrected: dict[str, set[str]] = {}
    for each in _contributions():
        if each.sha256 in uploaded:
            (uploaded[each.sha256] if each.kind == UPLOADS else corrected.setdefault(each.sha256, set())).add(
                each.label
            )
    found = []
    for name, label, sha256 in taken:
        # What was corrected is settled, whatever it is sent as.
        if others := corrected.get(sha256, uploaded[sha256]) - {label}:
            found.append(Conflict(file=name, label=label, others=sorted(others)))
    return found


def _known_spelling(text: str) -> str:
    """The label, unless it is a class we know but for case or spelling: training would stop at such a pair."""
    return _known_spellings({text})[text]


def _known_spellings(texts: set[str]) -> dict[str, str]:
    """The label that each text is, if all are in order."""
    labels = {text: check_label(text) for text in sorted(texts)}
    production = services().versions.current()
    known = set(production[1].classes) if production else set()
    new = set(labels.values()) - known
    for other in sorted(known | _contributed()) if new else ():
        for label in sorted(new - {other}):
            if alike(other) == alike(label):
                raise InvalidLabelError(
                    f"class name {label!r} is too like {other!r}, which there is; did you mean that?"
                )
    return labels


def _contributed() -> set[str]:
    """The labels of everything that people sent so far."""
    return {each.label for each in _contributions()}


def _contributions() -> Iterator[Contribution]:
    """Everything that people sent so far."""
    return (each.what for each in sent(services().store, None))
