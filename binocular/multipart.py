"""Uploading a large file in parts, in parallel, and going on where an interrupted upload stopped.

What makes resuming safe: an unfinished upload is taken up only if every part it has is, by MD5, a part of
our file, and finishing it names the MD5 of each part we mean. If another writer put a different part in
between, the store refuses and the file is sent again under an upload of its own.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from minio.datatypes import Part

from binocular.errors import BinocularError, NotFoundError, StoreRefusedError
from binocular.parallel import in_parallel
from binocular.s3 import Client, Connection, Headers

T = TypeVar("T")
PART_BYTES = 8 << 20
MOST_PARTS = 10_000


def upload(connection: Connection, key: str, path: Path, headers: Headers) -> None:
    """Make the object `key` from a file; an upload that was cut off before is continued."""
    transfer = _Transfer(connection, key, path, headers)
    resumed = transfer.find_unfinished()
    if resumed is not None:
        try:
            transfer.complete(*resumed)
            return
        except (NotFoundError, StoreRefusedError):
            pass  # somebody else finished, abandoned or changed that upload: send the file under one of our own
    upload_id = transfer.begin()
    try:
        transfer.complete(upload_id, {})
    except BinocularError as error:
        if not error.retry:  # after an outage the parts stay, for the next attempt to continue
            transfer.abandon(upload_id)
        raise


class _Transfer:
    """One file on its way to one key."""

    def __init__(self, connection: Connection, key: str, path: Path, headers: Headers) -> None:
        self.connection = connection
        self.bucket = connection.endpoint.bucket
        self.key = key
        self.path = path
        self.headers = headers
        size = path.stat().st_size
        self.part_bytes = max(PART_BYTES, -(-size // MOST_PARTS))
        self.count = max(1, -(-size // self.part_bytes))

    def _call(self, action: Callable[[Client], T]) -> T:
        return self.connection.call(f"upload {self.key}", action)

    def begin(self) -> str:
        """Start an upload of our own; its id."""
        return self._call(lambda c: c.begin_upload(self.bucket, self.key, dict(self.headers)))

    def abandon(self, upload_id: str) -> None:
        """Free the parts of an upload that will not be finished."""
        self._call(lambda c: c.abandon_upload(self.bucket, self.key, upload_id))

    def find_unfinished(self) -> tuple[str, dict[int, str]] | None:
        """An unfinished upload whose parts are all ours, and those parts."""
        for upload_id in self._call(lambda c: c.unfinished_uploads(self.bucket, self.key)):
            parts = self._parts(upload_id)
            if parts and all(self._is_ours(part) for part in parts):
                return upload_id, {part.part_number: part.etag for part in parts}
        return None

    def complete(self, upload_id: str, have: dict[int, str]) -> None:
        """Send the parts that are missing, several at once, and finish."""
        missing = [number for number in range(1, self.count + 1) if number not in have]
        sent = dict(
            in_parallel(self.connection.endpoint.parallel, lambda number: self._send(upload_id, number), missing)
        )
        parts = [Part(number, etag) for number, etag in sorted({**have, **sent}.items())]
        self._call(lambda c: c.finish_upload(self.bucket, self.key, upload_id, parts))

    def _send(self, upload_id: str, number: int) -> tuple[int, str]:
        data = self._read(number)
        return number, self._call(lambda c: c.put_part(self.bucket, self.key, upload_id, number, data))

    def _parts(self, upload_id: str) -> list[Part]:
        try:
            return self._call(lambda c: list(c.parts(self.bucket, self.key, upload_id)))
        except NotFoundError:
            return []  # finished or abandoned since it was listed

    def _is_ours(self, part: Part) -> bool:
        if part.part_number > self.count:
            return False
        return hashlib.md5(self._read(part.part_number), usedforsecurity=False).hexdigest() == part.etag

    def _read(self, number: int) -> bytes:
        with self.path.open("rb") as source:
            source.seek((number - 1) * self.part_bytes)
            return source.read(self.part_bytes)
