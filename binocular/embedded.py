"""The object store of one machine: SeaweedFS from its wheel, closed to everybody but us.

It listens on loopback only, with random credentials made on the first start (mode 0600), signed requests
between its own parts (which closes the filer's port), no telemetry, no web pages, and a memory target.
"""

import contextlib
import json
import os
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from binocular.errors import ProcessError
from binocular.settings import Settings

HOST = "127.0.0.1"
IDENTITIES = "ids.json"
SECURITY = "security.toml"
# S3, master, volume, filer and admin; each also listens for gRPC on its port + 10000.
PORTS = 5
GRPC_OFFSET = 10_000


@dataclass(frozen=True)
class Credentials:
    """The keys of the embedded store."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        """Without the keys."""
        return "Credentials(********)"


def url(settings: Settings) -> str:
    """The S3 endpoint of the embedded store."""
    return f"http://{HOST}:{settings.store_port}"


def folder(settings: Settings) -> Path:
    """Where the embedded store keeps its configuration and, under `data`, everything it stores."""
    return settings.home / "store"


def ports(settings: Settings) -> list[int]:
    """Every port it listens on."""
    first = settings.store_port
    return [*range(first, first + PORTS), *range(first + GRPC_OFFSET, first + GRPC_OFFSET + PORTS)]


def credentials(settings: Settings) -> Credentials:
    """The keys made on the first start; makes them if there are none."""
    path = folder(settings) / IDENTITIES
    write_once(path, json.dumps(_identities(), indent=2))
    try:
        keys = json.loads(path.read_text())["identities"][0]["credentials"][0]
        return Credentials(keys["accessKey"], keys["secretKey"])
    except (ValueError, LookupError, TypeError):
        raise ProcessError(f"{path} is damaged; restore it, or delete it to have new credentials made") from None


def command(settings: Settings) -> list[str]:
    """How to start it, in `folder(settings)` as its working directory."""
    credentials(settings)
    keys = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    text = "".join(f'[{key}]\nkey = "{secrets.token_hex(32)}"\n\n' for key in keys)
    write_once(folder(settings) / SECURITY, text)
    s3, master, volume, filer, admin = ports(settings)[:PORTS]
    return [
        _binary(),
        "mini",
        "-dir=data",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-s3.config={IDENTITIES}",
        f"-s3.port={s3}",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
        f"-admin.port={admin}",
        # Beside its data rather than in /tmp, where another user could sit in front of us.
        "-s3.localSocket=s3.sock",
        "-filer.localSocket=filer.sock",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        # As everywhere else: a bucket with objects is not deleted, and a misspelt bucket is not created.
        "-s3.allowDeleteBucketNotEmpty=false",
        "-s3.autoCreateBucket=false",
        "-master.telemetry=false",
        "-volume.preStopSeconds=0",  # nobody has to be told before it stops
        # One volume is set aside for each bucket and one for itself: small ones fit on a disk with little room.
        "-master.volumeSizeLimitMB=128",
    ]


def environment(settings: Settings) -> dict[str, str]:
    """What it needs beside the command: the memory target of its runtime."""
    return {"GOMEMLIMIT": f"{settings.store_memory_mb}MiB"}


def _identities() -> dict[str, object]:
    keys = {"accessKey": secrets.token_hex(10), "secretKey": secrets.token_urlsafe(30)}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "binocular", "credentials": [keys], "actions": actions}]}


def _binary() -> str:
    """The server's binary, which its wheel puts beside our Python."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if found is None:
        raise ProcessError(
            "the embedded store is not installed: run `make setup`, or name a store in BINOCULAR_STORE_URL"
        )
    return found


def write_once(path: Path, text: str) -> None:
    """Make a private file unless it is there; of two processes at once, one wins and both read the same."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.touch(mode=0o600)
        draft.write_text(text)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
