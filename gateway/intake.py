"""Images out of requests: one, several, or a zip of them, whatever way they were sent."""

import base64
import binascii
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import request
from werkzeug.datastructures import FileStorage

from binocular.errors import MediaTypeError, RequestError, TooLargeError
from binocular.inspection import Inspection, Limits
from binocular.layout import is_candidate
from binocular.messages import ImageBody
from binocular.zips import zip_members, zip_names
from gateway.calls import json_body
from gateway.services import services

FORM = "multipart/form-data"
ZIP_TYPES = ("application/zip", "application/x-zip-compressed")
BYTES = "application/octet-stream"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
# How many times the size of the request an archive may unpack to.
UNPACKED = 10
SHOWN = 200


def one_image() -> bytes:
    """The image of a request: a form's `file`, the body itself, or JSON with `url` or `image`."""
    if request.mimetype == FORM:
        files = request.files.getlist("file")
        if len(files) != 1 or len(request.files) > 1:
            raise RequestError(f"the form holds {_named()}; one file named 'file' was expected")
        return bytes(files[0].read())
    if request.mimetype.startswith("image/") or request.mimetype == BYTES:
        return _whole_body()
    if request.mimetype == "application/json":
        body = json_body(ImageBody)
        if body.url is not None:
            return services().fetch(body.url)
        return _decoded(body.image or "")
    raise MediaTypeError(
        f"content type {request.mimetype[:SHOWN] or 'nothing'!r}: send {FORM} with 'file', image/*, or"
        " application/json"
    )


def several_images(most: int) -> list[tuple[str, bytes]]:
    """The images of a request with their names: a form's `files`, or a zip as a file or as the body."""
    with uploaded_zip("files") as archive:
        if archive is not None:
            return list(_from_zip(archive, most))
    files = form_files("files")
    if len(files) > most:
        raise TooLargeError(f"{len(files)} images in one request; at most {most} are taken")
    return [(file.filename or "", file.read()) for file in files]


def form_files(name: str) -> list[FileStorage]:
    """The files of a form under a name, at least one."""
    if request.mimetype != FORM:
        raise MediaTypeError(
            f"content type {request.mimetype[:SHOWN] or 'nothing'!r}: send {FORM} or application/zip"
        )
    files = request.files.getlist(name)
    if not files or set(request.files) != {name}:
        raise RequestError(f"the form holds {_named()}; files named '{name}' were expected")
    return files


@contextmanager
def uploaded_zip(name: str) -> Iterator[Path | None]:
    """The zip that a request consists of, in a file while it is needed; None where it is something else."""
    if request.mimetype in ZIP_TYPES:
        data = _whole_body()
    elif request.mimetype == FORM and len(files := request.files.getlist(name)) == 1:
        head = files[0].stream.read(len(ZIP[0]))
        files[0].stream.seek(0)
        if head not in ZIP:
            yield None
            return
        data = files[0].read()
    else:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="binocular-", suffix=".zip") as file:
        file.write(data)
        file.flush()
        del data
        yield Path(file.name)


def zip_limits(most_files: int) -> Limits:
    """How much of an archive is taken."""
    body = services().most_bytes
    # Folders are members too.
    return Limits(members=4 * most_files, member_bytes=body, total_bytes=UNPACKED * body)


def _from_zip(path: Path, most: int) -> Iterator[tuple[str, bytes]]:
    limits = zip_limits(most)
    names = [name for name in zip_names(path, Inspection("the zip", limits)) if is_candidate(name)]
    if not 0 < len(names) <= most:
        raise TooLargeError(f"the zip holds {len(names)} images; 1 to {most} are taken")
    for member in zip_members(path, Inspection("the zip", limits)):
        if is_candidate(member.name):
            yield member.name, member.read()


def _whole_body() -> bytes:
    """The body; RequestError where the client broke off, or was cut off, before all of it came."""
    data = request.get_data(cache=False)
    if len(data) < (request.content_length or 0):
        raise RequestError(f"{len(data)} of {request.content_length} bytes came, and then the end")
    return data


def _decoded(text: str) -> bytes:
    # A browser's data: URL is base64 behind a comma.
    head, comma, rest = text.partition(",")
    try:
        return base64.b64decode(rest if comma and head.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("image: not base64") from None


def _named() -> str:
    names = sorted(map(str, {*request.files, *request.form}))[:5]  # a part may have none
    return ", ".join(repr(name[:40]) for name in names) or "nothing"
