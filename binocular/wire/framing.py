"""How gRPC puts a message into a body, and what it calls such a body: the same at both ends."""

import struct
from typing import Final

CONTENT_TYPE: Final = "application/grpc"
# Before each message: whether it is compressed, and how long it is.
PREFIX: Final = struct.Struct(">BI")


def framed(*pieces: bytes | memoryview) -> bytes:
    """A message, in one piece or several, behind its prefix."""
    return b"".join((PREFIX.pack(0, sum(map(len, pieces))), *pieces))
