"""One connection to an S3 endpoint: retries what is worth it, and turns every failure into an error of ours.

Only `store.py` and its neighbours use it; everything else talks to a `Store`.
"""

import logging
import random
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote_plus, urlsplit
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import ParseError

import certifi
import urllib3
from minio import Minio
from minio.datatypes import Object, Part
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from binocular.errors import (
    BinocularError,
    BucketMissingError,
    ConflictError,
    InvalidKeyError,
    NotFoundError,
    StoreDeniedError,
    StoreFullError,
    StoreRefusedError,
    StoreUnavailableError,
)

T = TypeVar("T")
Headers = dict[str, str | list[str] | tuple[str]]

CHUNK_BYTES = 1 << 20
# Objects in one answer to a listing, and keys in one order to delete; stores take no more.
PAGE = 1000
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 3.0
SERVER_ERROR = 500

# A source of its own: threads that wait change nothing of what a program draws with a seed.
_JITTER = random.Random()  # noqa: S311 - no secret

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """Where a store is, how to prove who we are, and how patient to be."""

    url: str
    access_key: str
    secret_key: str
    bucket: str
    region: str
    ca_file: Path | None
    timeout_s: float
    deadline_s: float
    parallel: int
    # How long a port that refuses is asked again, where that is not as long as anything else: nobody may be there.
    refused_s: float | None = None
    # What to do where it does not answer.
    advice: str = "is it running, and is BINOCULAR_STORE_URL right?"

    def __repr__(self) -> str:
        """Without the keys, so that no log or traceback can show them."""
        return f"Endpoint({self.url}, bucket={self.bucket})"


class Client(Minio):
    """The `minio` client and what its public calls lack: headers on a put, the steps of a multipart upload; and
    listings, of which it reads an object in twice the time that a store takes to tell it.
    """

    def page(self, bucket: str, prefix: str, after: str) -> list[Object]:
        """The first objects behind a key, in the order of keys."""
        # Policies of buckets may be about any of these, so even those are told that are empty.
        asked: Headers = {"list-type": "2", "max-keys": str(PAGE), "encoding-type": "url"}
        asked |= {"delimiter": "", "prefix": prefix}
        if after:
            asked["start-after"] = after
        return _objects(bucket, self._execute("GET", bucket, query_params=asked).data)

    def put(self, bucket: str, key: str, data: bytes, headers: Headers) -> str:
        """Write an object in one request; its ETag."""
        return self._put_object(bucket, key, data, headers).etag or ""

    def begin_upload(self, bucket: str, key: str, headers: Headers) -> str:
        """Start a multipart upload; its id."""
        return self._create_multipart_upload(bucket, key, headers)

    def unfinished_uploads(self, bucket: str, key: str) -> list[str]:
        """Ids of the multipart uploads of exactly this key that were begun and not finished."""
        uploads = self._list_multipart_uploads(bucket, prefix=key).uploads
        return [upload.upload_id for upload in uploads if upload.object_name == key and upload.upload_id]

    def parts(self, bucket: str, key: str, upload_id: str) -> Iterator[Part]:
        """The parts that an unfinished upload already has."""
        marker: str | None = None
        while True:
            page = self._list_parts(bucket, key, upload_id, part_number_marker=marker)
            yield from page.parts
            if not page.is_truncated:
                return
            marker = str(page.next_part_number_marker)

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, data: bytes) -> str:
        """Upload one part; its ETag."""
        return self._upload_part(bucket, key, data, None, upload_id, number)

    def finish_upload(self, bucket: str, key: str, upload_id: str, parts: list[Part]) -> None:
        """Turn the parts into the object; the store refuses where a part is not the one we sent."""
        self._complete_multipart_upload(bucket, key, upload_id, parts)

    def abandon_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Forget an unfinished upload and free its parts."""
        self._abort_multipart_upload(bucket, key, upload_id)


def _objects(bucket: str, told: bytes) -> list[Object]:
    """What a store tells of objects, as XML; ParseError where that makes no sense."""
    page = ET.fromstring(told)  # noqa: S314 - of the store that we trust with everything
    decoded = unquote_plus if page.findtext("{*}EncodingType") == "url" else str
    found = []
    for each in page.iterfind("{*}Contents"):
        facts = {fact.tag.rpartition("}")[2]: fact.text or "" for fact in each}
        try:
            at, size = datetime.fromisoformat(facts["LastModified"]), int(facts["Size"])
            found.append(Object(bucket, decoded(facts["Key"]), at, facts.get("ETag", "").replace('"', ""), size))
        except (KeyError, ValueError) as error:
            raise ParseError(f"an object in a listing: {error}") from None
    return found


class Connection:
    """Requests to one bucket of one endpoint. Threads may share it; a forked child makes its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        parts = urlsplit(endpoint.url)
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=endpoint.timeout_s, read=endpoint.timeout_s),
            maxsize=endpoint.parallel * 2,
            retries=False,
            ssl_context=trusting(endpoint.ca_file),
        )
        self.client = Client(
            parts.netloc,
            access_key=endpoint.access_key,
            secret_key=endpoint.secret_key,
            secure=parts.scheme == "https",
            region=endpoint.region,
            http_client=pool,
        )

    def call(self, subject: str, action: Callable[[Client], T]) -> T:
        """Run an action that may safely run twice, again while a retry can help and the deadline allows."""
        patience = Patience(self.endpoint.timeout_s, self.endpoint.deadline_s, self.endpoint.refused_s)
        while True:
            try:
                return action(self.client)
            except (MinioException, urllib3.exceptions.HTTPError, ParseError) as error:
                patience.wait_or_raise(self.explain(subject, error), error)

    def stream(self, key: str, etag: str, size: int, offset: int) -> Iterator[bytes]:
        """The bytes of one version of an object from `offset`; a broken transfer goes on where it broke."""
        patience = Patience(self.endpoint.timeout_s, self.endpoint.deadline_s, self.endpoint.refused_s)
        same_version: Headers = {"If-Match": f'"{etag}"'}
        while offset < size:
            try:
                body = self.client.get_object(self.endpoint.bucket, key, offset, request_headers=same_version)
                with closing(body):
                    for chunk in body.stream(CHUNK_BYTES):
                        offset += len(chunk)
                        yield chunk
                        patience.progress()  # from here: what the reader took its time for is no silence
            except (MinioException, urllib3.exceptions.HTTPError) as error:
                patience.wait_or_raise(self.explain(f"read {key}", error), error)

    def explain(self, subject: str, error: Exception) -> BinocularError:
        """Our error for the client's."""
        where = f"object store {self.endpoint.url}"
        if isinstance(error, S3Error):
            return self._explain_answer(f"{where}: {subject}", error)
        if isinstance(error, urllib3.exceptions.SSLError):
            advice = "check the scheme of BINOCULAR_STORE_URL, or set BINOCULAR_STORE_CA_FILE"
            return StoreRefusedError(f"{where}: TLS failed ({error}); {advice}")
        status = _status(error)
        if isinstance(error, ParseError) or (status is not None and status < SERVER_ERROR):
            return StoreRefusedError(f"{where} does not answer like S3 to {subject}; check BINOCULAR_STORE_URL")
        reason = f"HTTP {status}" if status else _reason(error)
        return StoreUnavailableError(f"{where} is not answering ({reason}); {self.endpoint.advice}")

    def bucket_missing(self) -> BucketMissingError:
        """The error that says which bucket is missing where."""
        endpoint = self.endpoint
        return BucketMissingError(
            f"object store {endpoint.url} has no bucket {endpoint.bucket!r}; "
            "create it, or set BINOCULAR_STORE_BUCKET"
        )

    def _explain_answer(self, what: str, error: S3Error) -> BinocularError:
        """Our error for an answer in S3's own error format."""
        code = error.code or ""
        if code == "NoSuchBucket":
            return self.bucket_missing()
        if code in _DENIED:
            return StoreDeniedError(
                f"{what}: {code}; check BINOCULAR_STORE_ACCESS_KEY and BINOCULAR_STORE_SECRET_KEY"
            )
        kind = next((kind for kind, codes in _KINDS.items() if code in codes), None)
        if kind is None:
            kind = StoreUnavailableError if error.response.status >= SERVER_ERROR else StoreRefusedError
        hint = "; its log says why, and a full disk is the usual reason" if code == "InternalError" else ""
        return kind(f"{what}: {code}: {error.message}{hint}")


_DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"} | {
    "RequestTimeTooSkewed",
    "AuthorizationHeaderMalformed",
}
_KINDS: dict[type[BinocularError], set[str]] = {
    NotFoundError: {"NoSuchKey", "NoSuchUpload"},
    ConflictError: {"PreconditionFailed"},
    InvalidKeyError: {"KeyTooLongError", "XMinioInvalidObjectName", "InvalidObjectName"},
    StoreFullError: {"XMinioStorageFull", "InsufficientStorage"},
    StoreUnavailableError: {
        "BadDigest",
        "ConditionalRequestConflict",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "XAmzContentSHA256Mismatch",
        "XMinioServerNotInitialized",
    },
}


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the authority named, or those that the system and certifi know."""
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is None:
        context.load_verify_locations(certifi.where())
    return context


class Patience:
    """How long to go on trying: pauses that double, with jitter, until the deadline is out of reach."""

    def __init__(self, timeout_s: float, deadline_s: float, refused_s: float | None = None) -> None:
        # An attempt against a mute peer takes a whole timeout: do not begin one that would end too late.
        self._longest_s = deadline_s - timeout_s
        self._longest_refused_s = self._longest_s if refused_s is None else refused_s
        self.progress()

    def progress(self) -> None:
        """Something arrived: the deadline counts from here."""
        self._since = time.monotonic()
        self._pause = FIRST_PAUSE_S

    def wait_or_raise(self, ours: BinocularError, cause: Exception) -> None:
        """Sleep before the next attempt, or raise where it would not help or could not end in time."""
        pause = self._pause * _JITTER.uniform(0.5, 1.0)
        refused = isinstance(_innermost(cause), ConnectionRefusedError)
        longest_s = self._longest_refused_s if refused else self._longest_s
        if not ours.retry or time.monotonic() - self._since + pause > longest_s:
            raise ours from cause
        log.debug("object store: trying again", extra={"reason": str(ours), "pause_s": round(pause, 2)})
        time.sleep(pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)


def _status(error: Exception) -> int | None:
    """The HTTP status behind an answer that is not in S3's format."""
    if isinstance(error, InvalidResponseError):
        return error._code  # noqa: SLF001 - the only place the client keeps it
    return error.status_code if isinstance(error, ServerError) else None


def _reason(error: Exception) -> str:
    """The innermost cause in a few words: 'Connection refused' rather than three layers of wrapping."""
    cause = _innermost(error)
    return (cause.strerror if isinstance(cause, OSError) else None) or f"{type(error).__name__}: {error}"


def _innermost(error: BaseException) -> BaseException:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error
