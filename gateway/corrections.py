"""Corrections of predictions: of several about one image, the newest counts.

An image is stored under its label first, and only then the label it had before is taken away: whatever happens in
between, no correction is lost.
"""

import hashlib

from binocular.contributions import Kind, contribution_key
from binocular.documents import Document
from binocular.errors import ConflictError, NotFoundError
from binocular.store import Store

PREFIX = "corrections"
FEEDBACK: Kind = "feedback"
ATTEMPTS = 10


class Correction(Document):
    """What an image shows, as somebody said last."""

    label: str


def correct(store: Store, label: str, data: bytes) -> tuple[str, bool]:
    """Store an image under the right label: its SHA-256, and whether it was there already."""
    sha256 = hashlib.sha256(data).hexdigest()
    new = store.create(contribution_key(FEEDBACK, label, sha256), data, "application/octet-stream")
    for _ in range(ATTEMPTS):
        before, etag = _last(store, sha256)
        told = Correction(label=label).text().encode()
        if before is None:
            noted = store.create(_key(sha256), told)
        else:
            noted = before == label or store.replace(_key(sha256), told, etag) is not None
        if noted:
            if before not in {None, label, _last(store, sha256)[0]}:
                store.delete(contribution_key(FEEDBACK, str(before), sha256))
            return sha256, not new
    raise ConflictError("many are correcting this image at the same moment; look again, and say it again")


def _last(store: Store, sha256: str) -> tuple[str | None, str]:
    """The label that an image was given last, if any, and the document's ETag."""
    try:
        found = store.read(_key(sha256))
    except NotFoundError:
        return None, ""
    return Correction.parse(found.data, _key(sha256)).label, found.etag


def _key(sha256: str) -> str:
    return f"{PREFIX}/{sha256}.json"
