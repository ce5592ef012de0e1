"""Archives named by URL: brought whole and verified, or not at all.

A download that was cut off continues where it stopped, also in the next run; the SHA-256 decides whether the
result is the one that was asked for, so it does not matter which server the bytes came from.
"""

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from binocular.errors import (
    BinocularError,
    DownloadError,
    IntegrityError,
    NotFoundError,
    SourceError,
    TooLargeError,
)
from binocular.partialfile import PartialFile
from binocular.store import file_sha256

SCHEMES = ("http", "https")
SHA256 = re.compile(r"[0-9a-f]{64}")
CHUNK_BYTES = 1 << 18
OK, PARTIAL, RANGE_REFUSED = 200, 206, 416
REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = frozenset({404, 410})
BUSY = frozenset({408, 425, 429})
SERVER_ERROR = 500
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to ask again."""

    attempts: int = 5
    first_pause_s: float = 0.5
    connect_s: float = 10
    read_s: float = 30
    redirects: int = 5


DEFAULT_PATIENCE = Patience()


def fetch(url: str, sha256: str, scratch: Path, limit: int, patience: Patience = DEFAULT_PATIENCE) -> Path:
    """The file at a URL, in `scratch`, with this SHA-256; one that is there already is not fetched again."""
    _check_scheme(url, url)
    wanted = _checksum(url, sha256)
    path = scratch / wanted
    if path.is_file() and file_sha256(path) == wanted:
        return path
    scratch.mkdir(parents=True, exist_ok=True)
    with PartialFile(path, wanted) as sink, requests.Session() as session:
        _patiently(lambda: _receive(session, url, sink, limit, patience), patience)
        actual = sink.digest(limit).hexdigest()
        if actual != wanted:
            sink.discard()
            raise IntegrityError(
                f"{shown(url)} has SHA-256 {actual}, expected {wanted}; it was damaged on the way or replaced:"
                " fetch it again, and change the checksum only if you trust what is there now"
            )
        sink.finish()
    return path


def shown(url: str) -> str:
    """A URL without what may be secret in it: user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _checksum(url: str, sha256: str) -> str:
    if not sha256:
        raise SourceError(
            f"{shown(url)} needs the SHA-256 of the archive, so that nobody can put other data in its place;"
            " download it once, look at it, and compute it with `sha256sum FILE`"
        )
    if not SHA256.fullmatch(sha256.strip().lower()):
        raise SourceError(f"{sha256[:100]!r} is no SHA-256: 64 digits 0-9 a-f, as `sha256sum FILE` prints")
    return sha256.strip().lower()


def _patiently(receive: Callable[[], None], patience: Patience) -> None:
    """Try until it succeeds, a retry does not help, or patience ends."""
    for attempt in range(1, patience.attempts + 1):
        try:
            return receive()
        except DownloadError:
            if attempt == patience.attempts:
                raise
            time.sleep(patience.first_pause_s * 2 ** (attempt - 1))
    return None


def _receive(session: requests.Session, url: str, sink: PartialFile, limit: int, patience: Patience) -> None:
    """Bring what is missing, in one request and its redirects."""
    try:
        with closing(_follow(session, url, sink.size, patience)) as response:
            _begin(response, url, sink)
            declared = response.headers.get("Content-Length", "")
            _refuse_beyond(sink.size + (int(declared) if declared.isdecimal() else 0), limit, url)
            # Undecoded: the checksum is of the file as it is stored, whatever encoding the server declares.
            for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                _refuse_beyond(sink.size + len(chunk), limit, url)
                sink.write(chunk)
    except requests.exceptions.SSLError as error:
        raise SourceError(f"{shown(url)}: its certificate is not trusted: {_reason(error)}") from error
    except ValueError as error:
        raise SourceError(f"{shown(url)} is no URL that can be fetched: {_reason(error)}") from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise DownloadError(
            f"{shown(url)}: the download was cut off after {sink.size} bytes ({_reason(error)});"
            " try again, it continues where it stopped"
        ) from error


def _reason(error: Exception) -> str:
    """The kind of failure; its text may hold the URL with its secrets."""
    inner = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    return type(getattr(inner, "reason", None) or inner).__name__


def _follow(session: requests.Session, url: str, offset: int, patience: Patience) -> requests.Response:
    """The answer to a request for what comes after `offset`, at the end of its redirects."""
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
    at = url
    for _ in range(patience.redirects + 1):
        response = session.get(
            at,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=(patience.connect_s, patience.read_s),
        )
        if response.status_code not in REDIRECTS or not response.headers.get("Location"):
            return response
        response.close()
        following = urljoin(at, response.headers["Location"])
        _check_scheme(following, url)
        if at.lower().startswith("https:") and not following.lower().startswith("https:"):
            raise SourceError(f"{shown(url)} leads from https to {shown(following)}; name an https address")
        at = following
    raise SourceError(f"{shown(url)} redirects more than {patience.redirects} times; name the last address")


def _check_scheme(url: str, named: str) -> None:
    try:
        parts = urlsplit(url)
        plain = parts.netloc.isprintable() and " " not in parts.netloc
        valid = parts.scheme in SCHEMES and bool(parts.hostname) and plain
    except ValueError:
        valid = False
    if not valid:
        leads = f" leads to {url.partition('?')[0][:200]!r}, which" if url != named else ""
        raise SourceError(f"{named.partition('?')[0][:200]!r}{leads} is no http or https URL; name one that is")


def _begin(response: requests.Response, url: str, sink: PartialFile) -> None:
    """Make the file ready for the body, or raise what the status means."""
    status = response.status_code
    if status == PARTIAL:
        match = CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != sink.size:
            sink.restart()
            raise DownloadError(f"{shown(url)} answers with other bytes than those asked for; try again")
    elif status == OK:
        sink.restart()
    elif status == RANGE_REFUSED:
        _whole_already(response, url, sink)
    else:
        raise _refused(status, url)


def _whole_already(response: requests.Response, url: str, sink: PartialFile) -> None:
    """There is nothing after what we have: it is whole, or it is not a part of what is there now."""
    if response.headers.get("Content-Range") != f"bytes */{sink.size}":
        sink.restart()
        raise DownloadError(f"{shown(url)} is shorter than what was fetched of it before; try again")
    response.close()


def _refused(status: int, url: str) -> BinocularError:
    if status in GONE:
        return NotFoundError(f"{shown(url)} is not there (HTTP {status}); look for its new address")
    if status in BUSY or status >= SERVER_ERROR:
        return DownloadError(f"{shown(url)} does not answer now (HTTP {status}); try again later")
    return SourceError(f"{shown(url)} refuses (HTTP {status}); name an address that needs no login")


def _refuse_beyond(size: int, limit: int, url: str) -> None:
    if size > limit:
        raise TooLargeError(f"{shown(url)} has {size} bytes or more, at most {limit} are downloaded")
