"""Artifacts and logs of a run: in the object store under Kubeflow's keys, and in the run's folder while it goes.

`minio://bucket/a/b` (and `s3://` of the same bucket) is the object `a/b`, or every object below `a/b/`, of our
store; on this machine it lies at `<run folder>/minio/bucket/a/b`. What a step wrote stays there for the next
step of the same run; what another run wrote is fetched.
"""

import contextlib
import shutil
import threading
from pathlib import Path

from binocular.errors import NotFoundError, RequestError, TaskError
from binocular.folders import get_folder, put_folder
from binocular.store import SCHEMES, Store, check_key

FOREIGN = ("gs", "oci", *SCHEMES)
LOG = "executor-logs"
LOG_TYPE = "text/plain; charset=utf-8"


def root_of(wanted: str, bucket: str) -> str:
    """The root of artifact URIs that a run asks for, or the default; RequestError if it is not in our store."""
    root = (wanted or f"minio://{bucket}/v2/artifacts").rstrip("/")
    scheme, key = split(root)
    if scheme not in SCHEMES or not key.startswith(f"{bucket}/"):
        raise RequestError(f"pipeline_root {wanted!r}: this machine's store is minio://{bucket}/…")
    check_key(key)
    return root


def split(uri: str) -> tuple[str, str]:
    """The scheme of a URI (or "") and what follows it."""
    scheme, mark, rest = uri.partition("://")
    return (scheme, rest) if mark else ("", uri)


def local_path(folder: Path, uri: str) -> Path:
    """Where the bytes of an artifact lie for the steps of a run. A URI without a scheme is a path itself."""
    scheme, rest = split(uri)
    return folder / scheme / check_key(rest) if scheme in FOREIGN else Path(rest)


class Artifacts:
    """The artifacts of one run."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self.folder = folder
        self.stored: set[str] = set()  # URIs whose bytes this run has put into the store
        self._present: set[str] = set()
        self._fetching = threading.Lock()

    def fetch(self, uri: str) -> None:
        """Bring an artifact to its place on this machine. One that has no bytes (metrics) is no error."""
        scheme, _ = split(uri)
        if scheme not in FOREIGN:
            return
        with self._fetching:
            if uri not in self._present:
                key, path = self._key(uri), local_path(self.folder, uri)
                with contextlib.suppress(NotFoundError):
                    self._store.get_file(key, path)
                if not path.is_file():
                    for _ in get_folder(self._store, key, path):
                        pass
                self._present.add(uri)

    def keep(self, uri: str, path: Path, content_type: str | None = None) -> None:
        """Store what a step wrote at a path, a file or a folder, as the artifact's bytes."""
        key = self._key(uri)
        if path.is_dir():
            for _ in put_folder(self._store, path, key):
                pass
        elif path.is_file():
            self._store.put_file(key, path, content_type)
        else:
            return
        self.stored.add(uri)
        if path == local_path(self.folder, uri):
            self._present.add(uri)

    def exists(self, uri: str) -> bool:
        """Whether the bytes of an artifact are (still) in the store."""
        with contextlib.suppress(NotFoundError):
            self._store.stat(self._key(uri))
            return True
        return next(self._store.entries(f"{self._key(uri)}/"), None) is not None

    def keep_log(self, uri: str, path: Path) -> None:
        """Store a log as it stands; it may go on growing."""
        self._store.put(self._key(uri), path.read_bytes(), LOG_TYPE)

    def discard(self) -> None:
        """Remove the run's folder; everything in it is in the store."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _key(self, uri: str) -> str:
        """The object that a URI names; TaskError where it is not in our store."""
        scheme, rest = split(uri)
        bucket, _, key = rest.partition("/")
        if scheme not in SCHEMES or bucket != self._store.endpoint.bucket or not key:
            ours = self._store.endpoint.bucket
            raise TaskError(f"artifact {uri} is not in this machine's store, which is minio://{ours}/…")
        return check_key(key)
