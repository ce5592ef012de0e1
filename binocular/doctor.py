"""What may be wrong with this machine and with every part, and how to mend it: `binocular doctor`.

    for finding in examine(settings):
        print(finding.level, finding.what, finding.says, finding.mend)

Each check looks at one thing. What `binocular up` makes first, folders and keys, is made here too; a probe in the
store is taken away again.
"""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import psutil
import urllib3

from binocular import processes, registry, stack
from binocular.errors import BinocularError, in_words
from binocular.parts import GATEWAY_TOKEN, gateway_url, parts
from binocular.runs import Runs
from binocular.s3 import Endpoint, trusting
from binocular.settings import Settings, unknown_variables, variable
from binocular.store import connect

Level = Literal["fine", "doubtful", "wrong"]

PYTHON = (3, 11)
GB = 1e9
# A training on the sample needs less than the first; one on a few thousand photos less than the second.
LEAST_FREE_GB, ENOUGH_FREE_GB = 1, 5
ENOUGH_MEMORY_GB = 4
OTHERS = 0o077
ANSWERS_WITHIN_S = 5.0
# A store refuses requests whose signature is older.
LARGEST_SKEW_S = 300
PROBE = "doctor"


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    what: str
    level: Level
    says: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check: the machine first, then the parts in the order in which each needs those before it."""
    yield _python()
    yield _memory()
    yield _disk(settings.home)
    yield from (
        Finding("settings", "doubtful", f"ignored: {name}", "take the variable away, or write it as proposed")
        for name in unknown_variables()
    )
    yield from _secrets(settings)
    running, known = stack.status(settings)
    if running:
        for part in known:
            fine = part.condition == "ready"
            says = part.condition if fine or not part.reason else f"{part.condition}: {part.reason}"
            yield Finding(
                part.name, "fine" if fine else "wrong", says, "" if fine else f"read its log, {part.log}"
            )
    else:
        yield from _ports(settings)
        yield Finding("parts", "doubtful", "not running", "start them: binocular up")
    if running or settings.store_url:
        yield from _store(settings)
    if settings.kfp_url:
        yield _pipelines(settings)
    if running:
        yield _gateway(settings)


def _python() -> Finding:
    here = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == PYTHON:
        return Finding("python", "fine", here)
    return Finding(
        "python", "wrong", here, "Binocular needs Python 3.11: make clean, make PYTHON=/path/to/python3.11"
    )


def _memory() -> Finding:
    total = psutil.virtual_memory().total / GB
    says = f"{os.cpu_count()} cores, {total:.0f} GB of memory"
    if total >= ENOUGH_MEMORY_GB:
        return Finding("machine", "fine", says)
    return Finding("machine", "doubtful", says, "train on a machine with 4 GB or more; serving needs one")


def _disk(home: Path) -> Finding:
    there = next(path for path in (home, *home.parents) if path.is_dir())
    if not os.access(there, os.W_OK):
        return Finding(
            "disk", "wrong", f"{there} may not be written", f"change its owner, or set {variable('home')}"
        )
    free = shutil.disk_usage(there).free / GB
    says = f"{free:.1f} GB free at {there}"
    if free >= ENOUGH_FREE_GB:
        return Finding("disk", "fine", says)
    level: Level = "doubtful" if free >= LEAST_FREE_GB else "wrong"
    return Finding("disk", level, says, f"make room, or set {variable('home')} to a folder on a larger disk")


def _secrets(settings: Settings) -> Iterator[Finding]:
    """Files with secrets that other users of this machine could read."""
    for path in (settings.home / GATEWAY_TOKEN, Path(".env"), Path("binocular.toml")):
        if path.is_file() and path.stat().st_mode & OTHERS:
            yield Finding("secrets", "doubtful", f"others may read {path}", f"chmod 600 {path}")


def _ports(settings: Settings) -> Iterator[Finding]:
    """Ports that somebody else holds while nothing of ours runs."""
    try:
        wanted = parts(settings)
    except (BinocularError, OSError) as error:
        yield Finding("home", "wrong", in_words(error), f"mend that, or set {variable('home')} to another folder")
        return
    for part in wanted:
        for port in part.ports:
            if not processes.is_free(port):
                says = f"port {port} of {part.name} is taken by {processes.holder(port)}"
                yield Finding("ports", "wrong", says, f"end that, or set {part.port_setting}")


def _store(settings: Settings) -> Iterator[Finding]:
    """The object store: does it answer, let us in, keep what we write, and what is in it."""
    quick = settings.model_copy(update={"store_timeout_s": ANSWERS_WITHIN_S, "store_deadline_s": ANSWERS_WITHIN_S})
    key = f"{PROBE}/{uuid.uuid4().hex}"
    store = connect(quick)
    try:
        store.create(key, b"", "application/octet-stream")
        store.delete(key)
        present = registry.production(store, settings.model_name)
    except BinocularError as error:
        mend = (
            f"check {variable('store_url')}, its keys and its bucket"
            if settings.store_url
            else "binocular logs store"
        )
        yield Finding("object store", "wrong", str(error), mend)
        return
    yield Finding("object store", "fine", f"{store.endpoint.url} keeps what is written")
    if settings.store_url:
        yield _clock(store.endpoint)
    if present is None:
        yield Finding(
            "model",
            "doubtful",
            f"no version of {settings.model_name} is in production",
            "make one: make run DATA=photos/",
        )
    else:
        yield Finding("model", "fine", f"version {present.version} of {settings.model_name} is in production")


def _clock(endpoint: Endpoint) -> Finding:
    url = endpoint.url
    try:
        pool = urllib3.PoolManager(ssl_context=trusting(endpoint.ca_file))
        told = pool.request("GET", url, timeout=ANSWERS_WITHIN_S, retries=False).headers.get("Date", "")
        there = parsedate_to_datetime(told).replace(tzinfo=UTC)  # HTTP knows no other zone
        skew = abs((datetime.now(UTC) - there).total_seconds())
    except (urllib3.exceptions.HTTPError, ValueError):
        return Finding("clock", "doubtful", f"{url} does not tell the time")
    if skew <= LARGEST_SKEW_S:
        return Finding("clock", "fine", "agrees with the object store's")
    return Finding("clock", "wrong", f"{skew:.0f} s from the object store's", "set this machine's clock")


def _pipelines(settings: Settings) -> Finding:
    """Asked as every command asks: with its token, its namespace and its authority."""
    try:
        Runs(settings.model_copy(update={"kfp_timeout_s": ANSWERS_WITHIN_S})).newest(1)
    except BinocularError as error:
        return Finding("pipelines", "wrong", str(error), f"check {variable('kfp_url')}")
    return Finding("pipelines", "fine", f"{settings.kfp_url} answers")


def _gateway(settings: Settings) -> Finding:
    """Ready means that the model and the store answer, as the gateway sees them."""
    what, mend = "predictions", "see what is said of the parts above"
    url = f"{gateway_url(settings)}/readyz"
    try:
        answer = urllib3.request("GET", url, timeout=ANSWERS_WITHIN_S, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return Finding(what, "wrong", f"{url} does not answer: {error}", mend)
    if answer.status == HTTPStatus.OK:
        return Finding(what, "fine", f"{url} answers")
    try:
        says = str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError):
        says = f"{url} answers {answer.status}"
    return Finding(what, "wrong", says, mend)
