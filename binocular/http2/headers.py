"""Headers: HPACK, written without its memory and its compression, and read as any peer writes it.

    block = encode({":method": "POST", ":path": "/a/b"})
    HeaderReader().read(block)     # the same again

A peer that is told to keep no table (`TABLE_SIZE` 0, as both our ends tell) writes the same headers as the same
bytes again and again: they are decoded once.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from hpack import Decoder, HPACKError

from binocular.errors import Http2Error
from binocular.http2.frames import (
    CALM,
    COMPRESSION,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PROTOCOL,
    Frame,
)

# A block of headers, compressed, and unpacked.
MOST_BLOCK: Final = 1 << 15
MOST_UNPACKED: Final = 1 << 16
_REMEMBERED, _WORTH = 256, 1024
_LITERAL, _LONG = 0x7F, 7


def encode(headers: Mapping[str, str]) -> bytes:
    """A block of headers, each as it is."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers.items())


def _text(value: str) -> bytes:
    raw = value.encode()
    if len(raw) < _LITERAL:
        return bytes([len(raw)]) + raw
    length, left = bytearray([_LITERAL]), len(raw) - _LITERAL
    while left >> _LONG:
        length.append(left & _LITERAL | 0x80)
        left >>= _LONG
    length.append(left)
    return bytes(length) + raw


class Block(NamedTuple):
    """The headers that a stream begins or ends with."""

    stream: int
    is_last: bool  # nothing follows on the stream
    headers: Mapping[str, str]


class HeaderReader:
    """Reads the blocks of one connection, in the order in which they come."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MOST_UNPACKED)
        self._known: dict[bytes, dict[str, str]] = {}
        self._part: bytearray | None = None  # of a block that goes on in the next frame
        self._of, self._is_last = 0, False

    def forget(self) -> None:
        """The peer has promised to keep no table."""
        # Both: who never used the table need not say that it got smaller, though the standard has it so.
        self._decoder.max_allowed_table_size = self._decoder.header_table_size = 0

    def check(self, it: Frame) -> None:
        """Http2Error where a frame comes between those of a block."""
        if self._part is not None and (it.kind != CONTINUATION or it.stream != self._of):
            raise Http2Error(PROTOCOL, "headers that do not go on")

    def add(self, it: Frame) -> Block | None:
        """Take a HEADERS or CONTINUATION frame; the block that is whole with it."""
        if it.kind == HEADERS:
            self._part, self._of, self._is_last = bytearray(), it.stream, bool(it.flags & END_STREAM)
        if self._part is None:
            raise Http2Error(PROTOCOL, "headers that go on from nothing")
        self._part += it.payload
        if len(self._part) > MOST_BLOCK:
            raise Http2Error(CALM, f"more than {MOST_BLOCK} bytes of headers")
        if not it.flags & END_HEADERS:
            return None
        block, self._part = bytes(self._part), None
        return Block(self._of, self._is_last, self.read(block))

    def read(self, block: bytes) -> Mapping[str, str]:
        """The headers; of several with one name the last. Http2Error where they cannot be read."""
        is_pure = self._decoder.header_table_size == 0  # nothing before this block can matter to it
        if is_pure and (known := self._known.get(block)) is not None:
            return known
        if len(block) > MOST_BLOCK:
            raise Http2Error(CALM, f"{len(block)} bytes of headers")
        try:
            found = {str(name): str(value) for name, value in self._decoder.decode(block)}
        except (HPACKError, UnicodeError) as error:
            raise Http2Error(COMPRESSION, f"headers that cannot be read: {error}") from None
        if is_pure and self._decoder.header_table_size == 0 and len(block) <= _WORTH:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[block] = found
        return found
