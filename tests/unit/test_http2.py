"""HTTP/2 frames and headers: whatever pieces they come in, and whatever a peer makes up."""

import struct
from itertools import pairwise

import pytest
from hpack import Encoder

from binocular.errors import Http2Error
from binocular.http2 import frames
from binocular.http2.frames import Frames, Window, frame
from binocular.http2.headers import MOST_BLOCK, HeaderReader, encode

MOST = 1 << 14
TO_ZERO = b"\x20"  # the table gets so small
REQUEST = {":method": "POST", ":path": "/a.b.C/D", "te": "trailers", "long": "x" * 5000, "empty": "", "ä": "ü"}


def told(*pieces: bytes | memoryview, most: int = MOST) -> list[tuple[int, int, int, bytes]]:
    """The frames in some pieces, the parts of a DATA frame put together."""
    reader = Frames(most)
    found: list[tuple[int, int, int, bytes]] = []
    amid = False
    for piece in pieces:
        for each in reader.read(memoryview(piece)):
            payload = bytes(each.payload)
            if amid:
                payload = found.pop()[3] + payload
            found.append((each.kind, each.flags, each.stream, payload))
            amid = each.kind == frames.DATA and bool(reader._left)
    assert not amid
    return found


MANY = (
    frame(frames.SETTINGS, 0, 0, b""),
    frame(frames.HEADERS, frames.END_HEADERS, 1, b"block"),
    frame(frames.DATA, 0, 1, b"0123456789"),
    frame(frames.DATA, 0, 1),
    frame(frames.DATA, frames.END_STREAM | frames.PADDED, 1, b"\x03abc\0\0\0"),
    frame(frames.HEADERS, frames.PADDED | frames.PRIORITY, 3, b"\x01\0\0\0\0\x10block\0"),
    frame(77, 0xFF, 5, b"unknown"),
    frame(frames.PING, 0, 0, b"12345678"),
)
READ = [
    (frames.SETTINGS, 0, 0, b""),
    (frames.HEADERS, frames.END_HEADERS, 1, b"block"),
    (frames.DATA, 0, 1, b"0123456789"),
    (frames.DATA, 0, 1, b""),
    (frames.DATA, frames.END_STREAM | frames.PADDED, 1, b"abc"),
    (frames.HEADERS, frames.PADDED | frames.PRIORITY, 3, b"block"),
    (77, 0xFF, 5, b"unknown"),
    (frames.PING, 0, 0, b"12345678"),
]


def test_frames_are_the_same_wherever_the_network_cuts_them() -> None:
    sent = b"".join(MANY)
    assert told(sent) == READ
    assert told(*(sent[at : at + 1] for at in range(len(sent)))) == READ
    for at in range(len(sent)):
        assert told(sent[:at], sent[at:]) == READ
    for size in (2, 3, 7, 10):
        cuts = [*range(0, len(sent), size), len(sent)]
        assert told(*(sent[a:b] for a, b in pairwise(cuts))) == READ


def test_data_is_passed_on_as_it_comes_and_ends_with_its_last_piece() -> None:
    reader = Frames(MOST)
    sent = frame(frames.DATA, frames.END_STREAM, 7, b"abcdef")
    first, second = list(reader.read(memoryview(sent[:11]))), list(reader.read(memoryview(sent[11:])))
    assert [(bytes(each.payload), each.flags, each.cost) for each in first + second] == [
        (b"ab", 0, 2),
        (b"cdef", frames.END_STREAM, 4),
    ]


def test_padding_costs_as_much_of_the_window_as_what_it_pads() -> None:
    [padded] = Frames(MOST).read(memoryview(frame(frames.DATA, frames.PADDED, 1, b"\x04abc\0\0\0\0")))
    assert (bytes(padded.payload), padded.cost) == (b"abc", 8)


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x05abcd", b"\xff"])
def test_more_padding_than_there_are_bytes_is_refused(payload: bytes) -> None:
    for kind in (frames.DATA, frames.HEADERS):
        with pytest.raises(Http2Error) as refused:
            told(frame(kind, frames.PADDED, 1, payload))
        assert refused.value.why == frames.PROTOCOL


@pytest.mark.parametrize("kind", [frames.DATA, frames.HEADERS, frames.SETTINGS, 77])
def test_a_frame_that_is_too_large_is_refused_before_it_has_come(kind: int) -> None:
    with pytest.raises(Http2Error) as refused:
        told(struct.pack(">IBI", 0xFFFFFF << 8 | kind, 0, 1))
    assert refused.value.why == frames.SIZE


def test_the_answer_of_an_older_protocol_is_no_frame() -> None:
    with pytest.raises(Http2Error):
        told(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def test_settings_are_read_as_they_were_written() -> None:
    chosen = {frames.TABLE_SIZE: 0, frames.INITIAL_WINDOW: frames.LARGEST_WINDOW, frames.FRAME_SIZE: MOST, 99: 5}
    [(kind, _, stream, payload)] = told(frames.settings(chosen))
    assert (kind, stream) == (frames.SETTINGS, 0)
    assert dict(frames.pairs(memoryview(payload))) == chosen


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"12345", frames.SIZE),
        (frames.SETTING.pack(frames.INITIAL_WINDOW, 1 << 31), frames.FLOW_CONTROL),
        (frames.SETTING.pack(frames.FRAME_SIZE, 100), frames.PROTOCOL),
        (frames.SETTING.pack(frames.FRAME_SIZE, 1 << 24), frames.PROTOCOL),
    ],
)
def test_settings_that_make_no_sense_are_refused(payload: bytes, why: int) -> None:
    with pytest.raises(Http2Error) as refused:
        list(frames.pairs(memoryview(payload)))
    assert refused.value.why == why


def test_a_number_has_four_bytes_and_no_sign() -> None:
    assert frames.number(memoryview(b"\xff\xff\xff\xff")) == frames.LARGEST_WINDOW
    for nonsense in (b"", b"123", b"12345"):
        with pytest.raises(Http2Error):
            frames.number(memoryview(nonsense))


def sent(window: Window, message: bytes, begin: int, of_stream: int) -> list[tuple[int, bytes]]:
    made, count = window.data(1, message, begin, of_stream, end=True)
    found = [(flags, payload) for _, flags, _, payload in told(*made, most=1 << 24)]
    assert count == sum(len(payload) for _, payload in found)
    return found


def test_no_more_is_sent_than_connection_stream_and_frame_have_room_for() -> None:
    window, message = Window(), bytes(range(250)) * 400
    first = sent(window, message, 0, 1 << 20)
    assert [len(payload) for _, payload in first] == [frames.FRAME_BYTES] * 3 + [frames.FRAME_BYTES - 1]
    assert sent(window, message, frames.WINDOW_BYTES, 1 << 20) == []
    window.more(1 << 20)
    assert [len(payload) for _, payload in sent(window, message, frames.WINDOW_BYTES, 10)] == [10]
    assert sent(window, message, frames.WINDOW_BYTES + 10, 0) == []
    assert sent(window, message, frames.WINDOW_BYTES + 10, -5) == []
    window.set(frames.FRAME_SIZE, 1 << 20)
    [(flags, last)] = sent(window, message, frames.WINDOW_BYTES + 10, 1 << 20)
    assert flags == frames.END_STREAM
    assert b"".join(payload for _, payload in first) + message[65_535:65_545] + last == message


def test_a_peer_that_changes_its_first_window_changes_those_of_open_streams() -> None:
    window = Window()
    assert window.set(frames.INITIAL_WINDOW, 10) == 10 - frames.WINDOW_BYTES
    assert window.set(frames.INITIAL_WINDOW, 100) == 90
    assert window.set(frames.MOST_STREAMS, 1) == 0
    assert (window.initial, window.connection) == (100, frames.WINDOW_BYTES)


@pytest.mark.parametrize("more", [0, frames.LARGEST_WINDOW])
def test_a_window_grows_by_something_and_not_without_end(more: int) -> None:
    with pytest.raises(Http2Error):
        Window().more(more)


def test_headers_come_back_as_they_were_written() -> None:
    assert HeaderReader().read(encode(REQUEST)) == REQUEST
    for length in (126, 127, 128, 254, 255, 16_510):
        assert HeaderReader().read(encode({"a": "x" * length})) == {"a": "x" * length}


def test_a_peer_with_a_table_and_compression_is_understood_block_by_block() -> None:
    peer, reader = Encoder(), HeaderReader()
    for _ in range(3):
        block = peer.encode(list(REQUEST.items()), huffman=True)
        assert reader.read(block) == REQUEST


def test_what_is_remembered_of_a_block_is_not_used_where_blocks_before_it_matter() -> None:
    """The same bytes, after another table."""
    reader = HeaderReader()
    newest = b"\xbe"  # the newest entry of the table
    assert reader.read(b"\x40\x01a\x011" + newest) == {"a": "1"}
    assert reader.read(newest) == {"a": "1"}
    reader.read(b"\x40\x01a\x012")
    assert reader.read(newest) == {"a": "2"}
    reader.forget()
    with pytest.raises(Http2Error):
        reader.read(newest)


def test_a_block_that_lets_the_table_grow_is_not_remembered() -> None:
    reader = HeaderReader()
    reader.read(TO_ZERO)
    larger, newest = b"\x3f\xe1\x1f", b"\xbe"
    for value in (b"1", b"2"):
        assert reader.read(larger) == {}
        assert reader.read(b"\x40\x01a\x01" + value) == {"a": value.decode()}
        assert reader.read(newest) == {"a": value.decode()}
        reader.read(TO_ZERO)


@pytest.mark.parametrize("prefix", [b"", TO_ZERO])
def test_a_peer_that_keeps_no_table_is_decoded_once(prefix: bytes) -> None:
    reader = HeaderReader()
    reader.forget()
    block = prefix + encode({":status": "200"})
    assert reader.read(block) is reader.read(block)
    for n in range(1000):  # and what is remembered stays small
        reader.read(encode({"n": str(n)}))
    assert len(reader._known) < 300


@pytest.mark.parametrize(
    "block",
    [
        b"\x00\x05ab",  # ends amid a name
        b"\x00",
        b"\x80",  # no entry has the number 0
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # a number without an end
        b"\x3f\xe1\x7f",  # a table larger than allowed
        b"\x00\x81\xff\x01a",  # no Huffman code
        encode({"a": "1"}) + TO_ZERO,
        b"\x00\x01a\x01\xff",  # not UTF-8
    ],
)
def test_blocks_that_mean_nothing_are_refused(block: bytes) -> None:
    with pytest.raises(Http2Error) as refused:
        HeaderReader().read(block)
    assert refused.value.why == frames.COMPRESSION


def test_a_huge_block_is_refused_unread() -> None:
    with pytest.raises(Http2Error) as refused:
        HeaderReader().read(encode({"a": "x" * MOST_BLOCK}))
    assert refused.value.why == frames.CALM


def test_a_small_block_that_unpacks_to_a_huge_one_is_refused() -> None:
    bomb = b"\x40\x01a" + b"\x7f\xe0\x17" + b"x" * 3167 + b"\xbe" * 20_000
    assert len(bomb) < MOST_BLOCK
    with pytest.raises(Http2Error) as refused:
        HeaderReader().read(bomb)
    assert refused.value.why == frames.COMPRESSION
