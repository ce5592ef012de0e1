"""Where the store keeps images that people uploaded or corrected, until the next training takes them in.

    contribution_key("feedback", "100% wool", sha256)     # feedback/100%25 wool/9f86…

The gateway writes under these keys and ingest reads them. A key tells the label and the SHA-256 of the image,
so that the same image under the same label is one object however often it is sent.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import quote, unquote

from binocular.errors import InvalidKeyError, InvalidLabelError
from binocular.labels import check_label
from binocular.store import check_key

Kind = Literal["uploads", "feedback"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SHA256 = re.compile(r"[0-9a-f]{64}")
PARTS = 3


@dataclass(frozen=True)
class Contribution:
    """What a key says of its image: how it came, which class it shows, and the SHA-256 of its bytes."""

    kind: Kind
    label: str
    sha256: str


def contribution_key(kind: Kind, label: str, sha256: str) -> str:
    """The key of an image that somebody uploaded, or corrected, as showing `label`."""
    if not SHA256.fullmatch(sha256):
        raise InvalidKeyError(f"{sha256[:100]!r} is no SHA-256: 64 digits 0-9 a-f were expected")
    return f"{class_prefix(kind, label)}{sha256}"


def class_prefix(kind: Kind, label: str) -> str:
    """What the keys of such images of a class begin with."""
    if kind not in KINDS:
        raise InvalidKeyError(f"contributions are {' or '.join(KINDS)}, not {kind!r}")
    return f"{kind}/{_segment(check_label(label))}/"


def parse_contribution(key: str) -> Contribution:
    """What a key says; InvalidKeyError where `contribution_key` would not have made it."""
    parts = key.split("/")
    for kind in KINDS:
        if len(parts) == PARTS and parts[0] == kind and SHA256.fullmatch(parts[2]):
            with suppress(InvalidKeyError):
                return Contribution(kind, label_of(kind, parts[1]), parts[2])
    raise _not_ours(key)


def label_of(kind: Kind, folder: str) -> str:
    """The class whose `class_prefix` is `<kind>/<folder>/`; InvalidKeyError where it is none's."""
    with suppress(UnicodeDecodeError, InvalidLabelError):
        label = unquote(folder, errors="strict")
        if _segment(check_label(label)) == folder:
            return label
    raise _not_ours(f"{kind}/{folder}/")


def _not_ours(key: str) -> InvalidKeyError:
    return InvalidKeyError(
        f"object key {key[:200]!r}: expected {' or '.join(KINDS)}/<class>/<sha256>; move the object elsewhere"
    )


def _segment(label: str) -> str:
    """A label as one part of a key: itself where it can be, percent-encoded where stores would refuse it."""
    if "%" not in label and _is_key(label):
        return label
    # What stores keep for themselves begins or ends with a dot and a word, and quote() lets a dot pass.
    encoded = quote(label, safe=" ").replace(".", "%2E")
    if not _is_key(encoded):
        raise InvalidLabelError(
            f"class name {label!r} has {len(label.encode())} bytes, too many for a store; choose a shorter one"
        )
    return encoded


def _is_key(name: str) -> bool:
    try:
        check_key(name)
    except InvalidKeyError:
        return False
    return True
