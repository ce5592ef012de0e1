"""Files of a version of the model, one by one or all in a zip, streamed from the store as they come.

They need what sending photos needs: a few photos are among them. Only what the version's manifest names can be
asked for. Nothing is kept on the way: the zip is written piece by piece into the answer. Its folders are those of
TensorFlow Serving: `<model>/<version>/saved_model.pb`.
"""

import re
import zipfile
from collections.abc import Iterator

from flask import Blueprint, Response

from binocular.errors import NotFoundError
from binocular.publication import Manifest
from gateway.calls import call
from gateway.services import Services, services

blueprint = Blueprint("downloads", __name__)

BINARY, ZIP = "application/octet-stream", "application/zip"
# Every entry says the same, so that the same version is the same zip.
BEGINNING = (1980, 1, 1, 0, 0, 0)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@blueprint.get("/v1/models/<int:version>/files/<path:name>")
@call("Download a file of a version", BINARY, scope="data", refuses=(404, 502, 503))
def show_file(version: int, name: str) -> Response:
    """One that the version's `files` name."""
    here = services()
    found = next((file for file in here.versions.manifest(version).files if file.path == name), None)
    if found is None:
        raise NotFoundError(f"version {version} has no file {name[:100]!r}")
    key = here.versions.key(version, name)
    here.store.stat(key)  # it is there, or this says so before anything is sent
    model = here.settings.model_name
    headers = _headers(f"{model}-{version}-{name.rpartition('/')[2]}") | {"Content-Length": str(found.size)}
    return Response(here.store.stream(key), content_type=BINARY, headers=headers)


@blueprint.get("/v1/models/<int:version>/model.zip")
@call("Download a version as a zip", ZIP, scope="data", refuses=(404, 502, 503))
def show_zip(version: int) -> Response:
    """All of its files, in the folders that TensorFlow Serving reads."""
    here = services()
    manifest = here.versions.manifest(version)
    here.store.stat(here.versions.key(version, manifest.files[0].path))
    headers = _headers(f"{here.settings.model_name}-{version}.zip")
    return Response(_zip(here, version, manifest), content_type=ZIP, headers=headers)


def _headers(name: str) -> dict[str, str]:
    """A download, by a name that is safe in a header."""
    return {"Content-Disposition": f'attachment; filename="{_UNSAFE.sub("_", name)}"'}


class _Pipe:
    """What a zip is written to, and taken from as it grows; it cannot go back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def taken(self) -> bytes:
        """What has been written since."""
        data = bytes(self._written)
        self._written.clear()
        return data


def _zip(here: Services, version: int, manifest: Manifest) -> Iterator[bytes]:
    pipe = _Pipe()
    # Models hardly shrink, and whoever waits should wait for the network alone.
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for file in manifest.files:
            entry = zipfile.ZipInfo(f"{here.settings.model_name}/{version}/{file.path}", BEGINNING)
            entry.file_size = file.size
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w") as out:
                for chunk in here.store.stream(here.versions.key(version, file.path)):
                    out.write(chunk)
                    yield pipe.taken()
            yield pipe.taken()
    yield pipe.taken()
