"""Requests a minute, for each client: counted by all workers of a machine together.

    limits.take("predict", "phone")     # RateLimitedError says when to come again

Each client has a bucket that holds a minute's worth and fills again steadily. A bucket is one number, the moment
at which it will be full; the numbers are in a file that the workers map into memory. The file has room for so many
clients, and beyond them those with the fullest buckets are forgotten, who lose the least by it.
"""

import fcntl
import ipaddress
import mmap
import os
import struct
import threading
import time
from collections.abc import Mapping
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal

from binocular.errors import RateLimitedError
from gateway import metrics

Kind = Literal["predict", "write", "sign-in"]

FILE = "gateway-limits"
MINUTE_S = 60.0
ENTRY = struct.Struct("<Qd")  # the client, and when its bucket is full, by the machine's monotonic clock
WAYS, SETS = 8, 1024
SET: Final = WAYS * ENTRY.size
# An IPv6 client has all addresses of its network.
NETWORK_BITS = 64


class Limits:
    """The limits of one machine. Threads may share it; each process opens its own."""

    def __init__(self, folder: Path, per_minute: Mapping[Kind, int]) -> None:
        self._path = folder / FILE
        self._per_minute = per_minute
        self._lock = threading.Lock()

    def take(self, kind: Kind, client: str) -> None:
        """Count a request; RateLimitedError where the client made too many. Where there is no limit, nothing."""
        limit = self._per_minute[kind]
        if limit and (wait_s := self._take(f"{kind} {client}", MINUTE_S / limit)) > 0:
            metrics.of(metrics.TURNED_AWAY, "rate").inc()
            raise RateLimitedError(
                f"more than {limit} requests of this kind within a minute; the next one in {wait_s:.1f} s",
                retry_after_s=round(wait_s, 1),
            )

    def _take(self, client: str, each_s: float) -> float:
        """How long until there is room in the client's bucket; taken from it where that is now."""
        key = int.from_bytes(blake2b(client.encode(errors="replace"), digest_size=8).digest(), "little") or 1
        place = (key % SETS) * SET
        table, file = self._table
        with self._lock:
            fcntl.flock(file, fcntl.LOCK_EX)  # which ends with the process, whatever ends it
            try:
                now = time.monotonic()
                entries = list(ENTRY.iter_unpack(table[place : place + SET]))
                known = [way for way, (other, _) in enumerate(entries) if other == key]
                way = known[0] if known else min(range(WAYS), key=lambda each: float(entries[each][1]))
                full_at = entries[way][1] if known else now
                if not now <= full_at <= now + MINUTE_S:  # full already, or of a clock before a restart
                    full_at = now
                wait_s = full_at + each_s - now - MINUTE_S
                if wait_s <= 0:
                    ENTRY.pack_into(table, place + way * ENTRY.size, key, full_at + each_s)
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
        return float(wait_s)

    @cached_property
    def _table(self) -> tuple[mmap.mmap, int]:
        """The table, and the file to lock; both for as long as the process lives."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(file, SETS * SET)
        return mmap.mmap(file, SETS * SET), file


@lru_cache(maxsize=1024)
def client_of(address: str) -> str:
    """Whom an address counts for: itself, or its network where clients have whole networks."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found if found.version == 4 else ipaddress.ip_network((found, NETWORK_BITS), strict=False))  # noqa: PLR2004
