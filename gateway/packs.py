"""Several images in one object, so that they cost one write: their sizes in a line of JSON, then their bytes.

data = pack([b"one", b"two"])
unpack(data, 1)      # b"two"
"""

import json
from collections.abc import Sequence
from itertools import accumulate

from binocular.errors import NotFoundError

END = b"\n"


def pack(images: Sequence[bytes]) -> bytes:
    """The object that holds these images."""
    return json.dumps([len(image) for image in images]).encode() + END + b"".join(images)


def unpack(data: bytes, number: int) -> bytes:
    """One of the images; NotFoundError where the pack has no such one."""
    head, _, body = data.partition(END)
    try:
        ends = list(accumulate(json.loads(head), initial=0))
    except ValueError:
        ends = []  # no pack
    if number + 1 >= len(ends):
        raise NotFoundError("there is no such image")
    return body[ends[number] : ends[number + 1]]
