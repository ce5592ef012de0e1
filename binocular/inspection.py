"""What every member of an archive must satisfy, whichever format the archive has.

An archive is hostile until proven otherwise: a name must stay below the folder it would be unpacked in, appear
once, and the sizes must keep to limits. A refusal names the archive, the member and the rule.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from binocular.errors import ArchiveRefusedError
from binocular.labels import FORBIDDEN_CATEGORIES

DRIVE = re.compile(r"[A-Za-z]:")
LONGEST_NAME = 4096
SHOWN = 200
# A reason may quote the archive, and an archive may hold names of 64 KB.
LONGEST_REASON = 400
# Below this a file may be packed as tightly as it likes: a drawing of one colour is no bomb.
RATIO_FROM_BYTES = 1_000_000


@dataclass(frozen=True)
class Limits:
    """How much of a source is taken before it is refused."""

    members: int = 200_000
    """Files and folders in one archive."""
    member_bytes: int = 100 * 10**6
    """Bytes of one file."""
    total_bytes: int = 50 * 10**9
    """Bytes of all files of one archive, unpacked."""
    ratio: int = 200
    """How many times its packed size a file may have, beyond its first megabyte."""
    download_bytes: int = 20 * 10**9
    """Bytes of one download."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Member:
    """One file in an archive. Call `read` once at most, and before the next member is drawn."""

    name: str
    read: Callable[[], bytes]


class Inspection:
    """The members of one archive, as they are seen one after the other."""

    def __init__(self, archive: str, limits: Limits) -> None:
        self.archive = archive
        self.limits = limits
        self._members = 0
        self._bytes = 0
        self._files: set[str] = set()

    def refusal(self, member: str, why: str) -> ArchiveRefusedError:
        """The error that says why an archive is refused because of a member."""
        return ArchiveRefusedError(f"{self.archive}: member {member[:SHOWN]!r} {why[:LONGEST_REASON]}")

    def broken(self, why: object) -> ArchiveRefusedError:
        """The error that says why an archive cannot be read."""
        reason = str(why)[:LONGEST_REASON]
        return ArchiveRefusedError(f"{self.archive} is truncated or corrupt: {reason}; fetch or pack it again")

    def admit_folder(self, raw: str) -> None:
        """Take note of a folder."""
        self._count(raw)
        self._checked(raw.rstrip("/") or ".")

    def admit_file(self, raw: str, size: int) -> str:
        """The name of a file, without a leading './', once everything known of it beforehand is in order."""
        self._count(raw)
        name = self._checked(raw)
        if name in self._files:
            raise self.refusal(raw, "is there twice; pack the archive from a clean folder")
        self._files.add(name)
        if not 0 <= size <= self.limits.member_bytes:
            raise self.refusal(raw, f"has {size} bytes, at most {self.limits.member_bytes} are taken")
        self._bytes += size
        if self._bytes > self.limits.total_bytes:
            raise self.refusal(
                raw, f"takes the unpacked size beyond the {self.limits.total_bytes} bytes that are taken"
            )
        return name

    def check_ratio(self, member: str, size: int, packed: int) -> None:
        """Refuse what inflates far more than any image does."""
        if size > RATIO_FROM_BYTES and size > self.limits.ratio * packed:
            raise self.refusal(
                member, f"inflates from {packed} to {size} bytes, more than {self.limits.ratio} times"
            )

    def _count(self, raw: str) -> None:
        self._members += 1
        if self._members > self.limits.members:
            raise self.refusal(
                raw, f"is one more than the {self.limits.members} members that are taken; split the archive"
            )

    def _checked(self, raw: str) -> str:
        """The name in NFC without a leading './', or a refusal."""
        name = unicodedata.normalize("NFC", raw)
        while name.startswith("./"):
            name = name[2:]
        if fault := _fault(name):
            raise self.refusal(raw, f"{fault}; rename it, or pack from inside the folder that holds the classes")
        return name


def _fault(name: str) -> str | None:
    """Why a name could mean something else than a file below the archive's own folder."""
    if not name or len(name) > LONGEST_NAME:
        return f"has a name of {len(name)} characters, 1 to {LONGEST_NAME} were expected"
    # Nothing printable is forbidden, so that only the odd name is looked at character by character.
    if not name.isprintable() and any(unicodedata.category(each) in FORBIDDEN_CATEGORIES for each in name):
        return "has a control character or undecodable byte in its name"
    if name.startswith("/") or DRIVE.match(name):
        return "has an absolute name"
    if "\\" in name:
        return "has a backslash in its name"
    parts = name.split("/")
    if ".." in parts:
        return "leads out of the archive with '..'"
    if name != "." and ("" in parts or "." in parts):
        return "has an empty part or '.' in its name"
    return None
