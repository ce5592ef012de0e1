"""Whatever names a set of labelled photos, as one stream of files.

    for found in open_source("photos.zip", store=None, scratch=Path("scratch")):
        print(found.source, found.label, found.split, len(found.read()))

Files are read when `read` is called and not kept, so a stream of any length costs no more memory than its
names. The order is the same every time.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from binocular.download import SCHEMES, fetch
from binocular.errors import IntegrityError, NotFoundError, SourceError
from binocular.inspection import DEFAULT_LIMITS, Limits
from binocular.store import Store, file_sha256
from components.ingest.archives import archive_files
from components.ingest.contributed import Look, contributions, known, seen_before
from components.ingest.datasets import DATASETS
from components.ingest.found import Found
from components.ingest.listing import SUFFIXES, listed_files
from components.ingest.trees import SCHEME, folder_files, stored_files

__all__ = ["Found", "Limits", "Look", "contributions", "known", "open_source", "seen_before"]

KINDS = (
    "a folder, a zip or tar, a .csv or .jsonl file, an http(s) URL of an archive, s3://bucket/prefix, or one of"
    f" the datasets {', '.join(sorted(DATASETS))}"
)


def open_source(
    spec: str, *, store: Store | None, scratch: Path, sha256: str = "", limits: Limits = DEFAULT_LIMITS
) -> Iterator[Found]:
    """The files of a source, each with its label and, where the source publishes one, its split.

    A path goes before a dataset of the same name. `sha256` is the checksum of an archive, whether it is fetched
    from a URL or lies here already; `scratch` keeps what was fetched. Errors are raised when the first file is
    drawn, or the one that is wrong.
    """
    scheme = spec.partition("://")[0].lower() if "://" in spec else ""
    if scheme in SCHEMES:
        yield from archive_files(fetch(spec, sha256, scratch, limits.download_bytes), limits, _title(spec))
    elif spec.startswith(SCHEME):
        if store is None:
            raise SourceError(f"{spec} needs an object store; set BINOCULAR_STORE_URL and its keys")
        yield from stored_files(store, spec, limits)
    elif scheme:
        raise SourceError(f"{spec.partition('?')[0][:200]!r} has a scheme that is not understood; name {KINDS}")
    else:
        yield from _named_here(spec, scratch, sha256, limits)


def _named_here(spec: str, scratch: Path, sha256: str, limits: Limits) -> Iterator[Found]:
    """A path or a dataset."""
    try:
        path = Path(spec).expanduser()
        is_folder, is_file = path.is_dir() and bool(spec), path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(f"{spec[:200]!r} cannot be a path: {_why(error)}; name {KINDS}") from error
    if is_folder:
        return folder_files(path, limits)
    if is_file and path.suffix.lower() in SUFFIXES:
        return listed_files(path, limits)
    if is_file:
        return archive_files(_verified(path, sha256), limits)
    if dataset := DATASETS.get(spec.lower()):
        archive = fetch(dataset.url, dataset.checksum(sha256), scratch, limits.download_bytes)
        return archive_files(archive, limits, dataset.name)
    raise NotFoundError(f"there is no source {spec[:200]!r}; name {KINDS}")


def _why(error: Exception) -> str:
    """The reason alone: the path may be longer than any message."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _verified(archive: Path, sha256: str) -> Path:
    """The archive, if it is the one whose checksum was given."""
    wanted = sha256.strip().lower()
    if wanted and (actual := file_sha256(archive)) != wanted:
        raise IntegrityError(f"{archive} has SHA-256 {actual}, expected {wanted}; fetch the right one")
    return archive


def _title(url: str) -> str:
    """What people know an archive at a URL by."""
    parts = urlsplit(url)
    return unquote(parts.path).rstrip("/").rpartition("/")[2] or parts.hostname or url
