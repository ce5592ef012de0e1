"""The object store: keys, streaming, checksums, conditional writes.

    store = connect(load())
    store.put_file("datasets/today.zip", Path("today.zip"))
    store.create("locks/retrain", b"...")     # True for exactly one of any number of writers

Any S3 does: the embedded SeaweedFS, a MinIO, Kubeflow's store. What a method acknowledges is in the store.
Objects carry their SHA-256 as metadata and are verified against it when they come back. Folders are moved by
`folders.py` and published, whole or not at all, by `publication.py`.

Two rules keep all stores alike: `check_key` refuses keys that some store renames or hides, and a key that is
an object is never also a folder (MinIO would not list `a/b` beside an object `a`).
"""

import hashlib
import mimetypes
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

from minio.datatypes import Object
from minio.deleteobjects import DeleteError, DeleteObject

from binocular import embedded, multipart
from binocular.errors import (
    ConflictError,
    IntegrityError,
    InvalidKeyError,
    NotFoundError,
    StoreRefusedError,
    TooLargeError,
)
from binocular.partialfile import PartialFile
from binocular.s3 import PAGE, Client, Connection, Endpoint, Headers
from binocular.settings import Settings

T = TypeVar("T")

LONGEST_KEY_BYTES = 1024
LONGEST_SEGMENT_BYTES = 255
# Documents (manifests, aliases, reports) are read whole; anything larger goes through a file.
DOCUMENT_BYTES = 16 << 20
# A document may be replaced between the question for its size and its reading.
READ_ATTEMPTS = 20
SHA256 = "x-amz-meta-sha256"
WRITE_ID = "x-amz-meta-write-id"
LAST_CONTROL = 0x1F
DELETE_CHARACTER = 0x7F
# How Kubeflow writes the address of an artifact in the object store.
SCHEMES = ("minio", "s3")


def check_key(key: str) -> str:
    """Return the key, or raise InvalidKeyError saying which rule it breaks."""
    if fault := _fault(key):
        raise InvalidKeyError(f"object key {key[:200]!r}: {fault}")
    return key


def _fault(key: str) -> str | None:
    """Why some store would rename, hide or refuse this key."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if not 0 < length <= LONGEST_KEY_BYTES:
        return f"must have 1 to {LONGEST_KEY_BYTES} bytes, has {length}"
    if "\\" in key or any(ord(c) <= LAST_CONTROL or ord(c) == DELETE_CHARACTER for c in key):
        return "must not hold a backslash or a control character"
    for segment in key.split("/"):
        if segment in {"", ".", ".."}:
            return "must not begin or end with '/', nor hold '//', '.' or '..' as a part of the path"
        if len(segment.encode()) > LONGEST_SEGMENT_BYTES:
            return f"no part between two '/' may be longer than {LONGEST_SEGMENT_BYTES} bytes"
        if segment == ".uploads" or segment.endswith(".versions"):
            return "'.uploads' and names ending in '.versions' are kept by the embedded store for itself"
    return None


@dataclass(frozen=True)
class Entry:
    """An object without its bytes. A listing does not tell the sha256; `stat` does, if we wrote the object."""

    key: str
    size: int
    etag: str
    modified: datetime | None
    sha256: str | None = None


@dataclass(frozen=True)
class Document:
    """A small object's bytes, and the ETag that `replace` wants back."""

    data: bytes
    etag: str


@dataclass(frozen=True)
class Part:
    """Some bytes of an object, where they begin, and how long the object is."""

    data: bytes
    start: int
    size: int


def connect(settings: Settings, *, refused_s: float | None = None) -> "Store":
    """The store that the settings name. Nothing is sent yet.

    `refused_s`: how long to ask again where the port refuses, for who cannot wait for a store to come back.
    """
    local = None if settings.store_url else embedded.credentials(settings)
    return Store(
        Endpoint(
            url=settings.store_url or embedded.url(settings),
            access_key=local.access_key if local else settings.store_access_key.get_secret_value(),
            secret_key=local.secret_key if local else settings.store_secret_key.get_secret_value(),
            bucket=settings.store_bucket,
            region=settings.store_region,
            ca_file=settings.store_ca_file,
            timeout_s=settings.store_timeout_s,
            deadline_s=settings.store_deadline_s,
            parallel=settings.store_parallel,
            refused_s=refused_s,
            **({"advice": "`binocular up` starts it"} if local else {}),
        )
    )


class Store:
    """One bucket. Threads may share a store; a forked child connects anew."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._connection = Connection(endpoint)
        self._bucket_seen = False

    def _call(self, subject: str, action: Callable[[Client], T]) -> T:
        return self._connection.call(subject, action)

    def at(self, uri: str) -> tuple["Store", str]:
        """The bucket and key of an artifact's address, `minio://bucket/key`; NotFoundError for one elsewhere."""
        scheme, _, path = uri.partition("://")
        bucket, _, key = path.partition("/")
        if scheme not in SCHEMES or not bucket:
            raise NotFoundError(f"{uri[:200]!r} is not in an object store")
        return self if bucket == self.endpoint.bucket else Store(replace(self.endpoint, bucket=bucket)), key

    # The bucket

    def ensure_bucket(self) -> bool:
        """Make the bucket unless it is there; True if this call made it."""
        bucket, region = self.endpoint.bucket, self.endpoint.region

        def action(client: Client) -> bool:
            if client.bucket_exists(bucket):
                return False
            client.make_bucket(bucket, region)
            return True

        return self._call(f"make bucket {bucket}", action)

    def _require_bucket(self) -> None:
        """Raise BucketMissingError where that is why an object is not found; the answer to a HEAD cannot tell."""
        if not self._bucket_seen:
            self._bucket_seen = self._call("look for bucket", lambda c: c.bucket_exists(self.endpoint.bucket))
            if not self._bucket_seen:
                raise self._connection.bucket_missing()

    # Reading

    def stat(self, key: str) -> Entry:
        """What is known about an object; NotFoundError if there is none."""
        check_key(key)
        try:
            found = self._call(f"stat {key}", lambda c: c.stat_object(self.endpoint.bucket, key))
        except NotFoundError:
            self._require_bucket()
            raise
        sha256 = (found.metadata or {}).get(SHA256)
        return Entry(key, found.size or 0, found.etag or "", found.last_modified, sha256)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Every object whose key begins with `prefix`, in the order of keys, a page at a time."""
        if prefix:
            check_key(prefix.removesuffix("/"))
        after = ""
        # A page a call, so that a failure between pages repeats a page and not the whole listing.
        while page := self._call(
            f"list {prefix}", partial(Client.page, bucket=self.endpoint.bucket, prefix=prefix, after=after)
        ):
            yield from (_entry(found) for found in page if not found.is_dir)
            after = page[-1].object_name or ""

    def folders(self, prefix: str) -> list[str]:
        """The names up to the next `/` behind a prefix. One that was emptied may still be told for a while."""
        check_key(prefix.removesuffix("/"))

        def action(client: Client) -> list[str]:
            found = client.list_objects(self.endpoint.bucket, prefix)
            return [
                name.removeprefix(prefix)[:-1] for each in found if (name := each.object_name or "").endswith("/")
            ]

        return self._call(f"list {prefix}", action)

    def read(self, key: str, limit: int = DOCUMENT_BYTES) -> Document:
        """A small object, whole and verified. TooLargeError beyond `limit` bytes."""
        for attempt in count(1):
            entry = self.stat(key)
            if entry.size > limit:
                raise TooLargeError(f"{key} has {entry.size} bytes, more than the {limit} that are read at once")
            try:
                return Document(b"".join(self._verified(entry, hashlib.sha256(), 0)), entry.etag)
            except ConflictError:  # replaced since the first line: what it is now is what the caller wants
                if attempt == READ_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def part(self, key: str, start: int, most: int) -> Part:
        """At most `most` bytes from `start` on, counted from the end where it is below 0; unverified.

        Of an object that has become shorter than `start`, from its beginning.
        """
        for attempt in count(1):
            entry = self.stat(key)
            first = max(0, entry.size + start) if start < 0 else start
            first = 0 if first > entry.size else first
            try:
                found = bytearray()
                for chunk in self._connection.stream(key, entry.etag, entry.size, first):
                    found += chunk
                    if len(found) >= most:
                        break
                return Part(bytes(found[:most]), first, entry.size)
            except ConflictError:  # it grows
                if attempt == READ_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def stream(self, key: str) -> Iterator[bytes]:
        """An object's bytes in chunks, of one version throughout; IntegrityError at the end if they are wrong."""
        entry = self.stat(key)
        yield from self._verified(entry, hashlib.sha256(), 0)

    def get_file(self, key: str, path: Path) -> Entry:
        """Bring an object to a file that appears only whole and verified; continues an earlier try."""
        entry = self.stat(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with PartialFile(path, f"{entry.etag}-{entry.size}") as sink:
            digest = sink.digest(entry.size)
            try:
                for chunk in self._verified(entry, digest, sink.size):
                    sink.write(chunk)
            except IntegrityError:
                sink.discard()
                raise
            sink.finish()
        return entry

    def _verified(self, entry: Entry, digest: "hashlib._Hash", offset: int) -> Iterator[bytes]:
        """The rest of an object from `offset`, checked against its SHA-256 with what `digest` has seen already."""
        for chunk in self._connection.stream(entry.key, entry.etag, entry.size, offset):
            digest.update(chunk)
            yield chunk
        if entry.sha256 and digest.hexdigest() != entry.sha256:
            raise IntegrityError(f"{entry.key}: its bytes do not match the SHA-256 it was stored with")

    # Writing

    def put(self, key: str, data: bytes, content_type: str | None = None) -> str:
        """Write an object from memory, replacing what was there; its ETag."""
        headers = _headers(key, hashlib.sha256(data).hexdigest(), content_type)
        return self._call(f"write {key}", lambda c: c.put(self.endpoint.bucket, check_key(key), data, headers))

    def put_file(self, key: str, path: Path, content_type: str | None = None) -> Entry:
        """Write an object from a file; what is there already, whole or in parts, is not sent again."""
        check_key(key)
        before = path.stat()
        sha256 = file_sha256(path)
        try:
            present = self.stat(key)
        except NotFoundError:
            present = None
        if present is None or (present.sha256, present.size) != (sha256, before.st_size):
            headers = _headers(key, sha256, content_type)
            if before.st_size <= multipart.PART_BYTES:
                self._call(f"write {key}", lambda c: c.put(self.endpoint.bucket, key, path.read_bytes(), headers))
            else:
                multipart.upload(self._connection, key, path, headers)
            present = self.stat(key)
        after = path.stat()
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise ConflictError(
                f"{path} changed while it was uploaded to {key}; upload it again when it is finished"
            )
        return present

    def create(self, key: str, data: bytes, content_type: str | None = None) -> bool:
        """Write an object only where there is none: True for exactly one of any number of writers."""
        return self._put_if(key, data, {"If-None-Match": "*"}, content_type) is not None

    def replace(self, key: str, data: bytes, etag: str, content_type: str | None = None) -> str | None:
        """Write an object only while it is still the one with this ETag: the new ETag, or None if it is not."""
        return self._put_if(key, data, {"If-Match": f'"{etag}"'}, content_type)

    def _put_if(self, key: str, data: bytes, condition: Headers, content_type: str | None) -> str | None:
        """A conditional write. An answer that got lost must not turn our own success into a defeat."""
        write_id = uuid.uuid4().hex
        headers = {
            **_headers(key, hashlib.sha256(data).hexdigest(), content_type),
            WRITE_ID: write_id,
            **condition,
        }
        try:
            return self._call(f"write {key}", lambda c: c.put(self.endpoint.bucket, check_key(key), data, headers))
        except (ConflictError, NotFoundError):
            pass
        try:
            found = self._call(f"stat {key}", lambda c: c.stat_object(self.endpoint.bucket, key))
        except NotFoundError:
            return None
        return found.etag if (found.metadata or {}).get(WRITE_ID) == write_id else None

    # Deleting

    def delete(self, *keys: str) -> None:
        """Delete objects; one that is not there is no error."""
        self._delete(check_key(key) for key in keys)

    def delete_prefix(self, prefix: str) -> None:
        """Delete every object whose key begins with `prefix`, which ends with '/'."""
        if not prefix.endswith("/"):
            raise InvalidKeyError(
                f"prefix {prefix!r} must end with '/': without it, neighbours would be deleted too"
            )
        self._delete(entry.key for entry in self.entries(prefix))

    def _delete(self, keys: Iterable[str]) -> None:
        keys = iter(keys)
        while batch := [DeleteObject(key) for key in islice(keys, PAGE)]:
            if errors := self._call("delete", partial(self._delete_batch, batch=batch)):
                raise StoreRefusedError(f"deleting {errors[0].name}: {errors[0].code}: {errors[0].message}")

    def _delete_batch(self, client: Client, batch: list[DeleteObject]) -> list[DeleteError]:
        return list(client.remove_objects(self.endpoint.bucket, batch))


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _entry(found: Object) -> Entry:
    return Entry(found.object_name or "", found.size or 0, found.etag or "", found.last_modified)


def _headers(key: str, sha256: str, content_type: str | None) -> Headers:
    guessed = content_type or mimetypes.guess_type(key)[0] or "application/octet-stream"
    return {"Content-Type": guessed, SHA256: sha256}
