"""What `binocular.store` promises, against real servers."""

import itertools
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from binocular import multipart
from binocular.errors import (
    BinocularError,
    BucketMissingError,
    ConflictError,
    IntegrityError,
    NotFoundError,
    StoreDeniedError,
    StoreUnavailableError,
    TooLargeError,
)
from binocular.s3 import Client, Connection
from binocular.store import Store, file_sha256
from tests.servers import StoreServer, free_port, wait_until

MB = 1 << 20

ODD_BUT_GOOD = [
    "a b/c  d.jpg",
    " leading and trailing ",
    "ü/ñ/漢字/😀.jpg",
    "e\u0301 is not \u00e9.jpg",
    "\u00e9 is not e\u0301.jpg",
    "100%/x+y&z=?#.jpg",
    "~!@$^()[]{}'\";,<>|*`:.jpg",
    ".hidden/.file",
    "d" * 255 + "/" + "ü" * 127,
    "/".join(["deep"] * 60),
]


@pytest.fixture
def big_file(tmp_path: Path) -> Path:
    path = tmp_path / "big.bin"
    path.write_bytes(random.Random(7).randbytes(64 * MB))
    return path


class TestObjects:
    def test_what_is_put_comes_back_with_its_checksum(self, store: Store) -> None:
        store.put("a/b.json", b"{}")

        assert store.read("a/b.json").data == b"{}"
        assert store.stat("a/b.json").sha256 == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

    def test_an_empty_object_is_an_object(self, store: Store, tmp_path: Path) -> None:
        store.put("empty", b"")

        assert store.read("empty").data == b""
        assert store.get_file("empty", tmp_path / "empty").size == 0
        assert (tmp_path / "empty").read_bytes() == b""

    @pytest.mark.parametrize("key", ODD_BUT_GOOD, ids=range(len(ODD_BUT_GOOD)))
    def test_unicode_blanks_and_signs_in_keys_come_back_as_they_were(self, store: Store, key: str) -> None:
        store.put(key, key.encode())

        assert store.read(key).data == key.encode()
        assert [entry.key for entry in store.entries()] == [key]
        store.delete(key)
        assert list(store.entries()) == []

    def test_more_than_a_page_of_keys_is_listed_once_each_in_order(self, store: Store) -> None:
        keys = [f"many/{number:05}" for number in range(2_150)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.put(key, key.encode()), keys))
        store.put("many-more", b"a neighbour, not a child")

        assert [entry.key for entry in store.entries("many/")] == keys
        store.delete_prefix("many/")
        assert [entry.key for entry in store.entries()] == ["many-more"]

    def test_folders_are_told_once_each_however_much_is_in_them(self, store: Store) -> None:
        names = [f"{number:04}" for number in range(1_050)] + ["100%25 wool", "café", "a b"]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: store.put(f"of/{name}/1", b""), names))
        store.put("of/café/2", b"")
        store.put("of/an object", b"")
        store.put("often/other/1", b"")

        assert sorted(store.folders("of/")) == sorted(names)
        assert store.folders("none/") == []

    def test_what_is_not_there_is_not_found(self, store: Store, tmp_path: Path) -> None:
        for action in (
            lambda: store.stat("no"),
            lambda: store.read("no"),
            lambda: store.get_file("no", tmp_path / "x"),
        ):
            with pytest.raises(NotFoundError, match="no"):
                action()
        assert list(tmp_path.iterdir()) == []
        store.delete("no")

    def test_a_document_larger_than_its_reader_expects_is_not_read(self, store: Store) -> None:
        store.put("large", b"x" * 2000)

        with pytest.raises(TooLargeError, match="2000 bytes"):
            store.read("large", limit=1000)

    def test_bytes_that_do_not_match_their_checksum_never_become_a_file(
        self, store: Store, tmp_path: Path
    ) -> None:
        Client.put(
            store._connection.client, store.endpoint.bucket, "rotten", b"rotten", {"x-amz-meta-sha256": "0" * 64}
        )

        with pytest.raises(IntegrityError, match="rotten"):
            store.get_file("rotten", tmp_path / "file")
        with pytest.raises(IntegrityError, match="rotten"):
            store.read("rotten")
        assert list(tmp_path.iterdir()) == []


class TestLargeFiles:
    def test_64_mb_go_and_come_in_parts(self, store: Store, big_file: Path, tmp_path: Path) -> None:
        entry = store.put_file("big", big_file)

        assert entry.size == 64 * MB
        assert entry.etag.endswith("-8")
        store.get_file("big", tmp_path / "back")
        assert file_sha256(tmp_path / "back") == file_sha256(big_file)
        assert sum(map(len, store.stream("big"))) == 64 * MB

    def test_the_same_bytes_are_not_sent_again(self, store: Store, big_file: Path) -> None:
        first = store.put_file("big", big_file)

        assert store.put_file("big", big_file) == first  # the same modification time: nothing was written

    def test_a_cut_off_upload_continues_with_the_parts_that_are_missing(
        self, store: Store, big_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[int] = []
        put_part = Client.put_part

        def fail_after_five(client: Client, *args: Any) -> str:
            sent.append(args[3])
            if len(sent) > 5:
                raise BinocularError("cut off")
            return put_part(client, *args)

        monkeypatch.setattr(Client, "put_part", fail_after_five)
        monkeypatch.setattr(multipart._Transfer, "abandon", lambda *_: None)  # as after kill -9
        with pytest.raises(BinocularError, match="cut off"):
            store.put_file("big", big_file)
        sent.clear()

        def count(client: Client, *args: Any) -> str:
            sent.append(args[3])
            return put_part(client, *args)

        monkeypatch.setattr(Client, "put_part", count)

        store.put_file("big", big_file)

        assert len(sent) == 3
        assert store.stat("big").sha256 == file_sha256(big_file)

    def test_an_upload_of_other_content_is_not_continued(self, store: Store, big_file: Path) -> None:
        client, bucket = store._connection.client, store.endpoint.bucket
        upload_id = client.begin_upload(bucket, "big", {})
        client.put_part(bucket, "big", upload_id, 1, b"other" * 2 * MB)

        store.put_file("big", big_file)

        assert store.stat("big").sha256 == file_sha256(big_file)
        assert sum(map(len, store.stream("big"))) == 64 * MB

    def test_a_cut_off_download_continues_where_it_stopped(
        self, store: Store, big_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.put_file("big", big_file)
        offsets: list[int] = []
        stream = Connection.stream

        def cut_off(self: Connection, key: str, etag: str, size: int, offset: int) -> Iterator[bytes]:
            offsets.append(offset)
            chunks = stream(self, key, etag, size, offset)
            if len(offsets) == 1:
                yield from itertools.islice(chunks, 20)
                raise StoreUnavailableError("cut off")
            yield from chunks

        monkeypatch.setattr(Connection, "stream", cut_off)
        with pytest.raises(StoreUnavailableError):
            store.get_file("big", tmp_path / "back" / "big")
        assert not (tmp_path / "back" / "big").exists()

        store.get_file("big", tmp_path / "back" / "big")

        assert offsets == [0, 20 * MB]
        assert file_sha256(tmp_path / "back" / "big") == file_sha256(big_file)
        assert [path.name for path in (tmp_path / "back").iterdir()] == ["big"]


class TestConditionalWrites:
    def test_of_eight_writers_exactly_one_creates(self, store: Store) -> None:
        for attempt in range(10):
            key = f"race/{attempt}"
            with ThreadPoolExecutor(8) as pool:
                won = list(pool.map(lambda writer, key=key: store.create(key, b"%d" % writer), range(8)))

            assert won.count(True) == 1
            assert store.read(key).data == b"%d" % won.index(True)

    def test_of_eight_writers_exactly_one_replaces(self, store: Store) -> None:
        etag = store.put("alias", b"old")
        with ThreadPoolExecutor(8) as pool:
            etags = list(pool.map(lambda writer: store.replace("alias", b"new %d" % writer, etag), range(8)))

        winner = next(number for number, new in enumerate(etags) if new)
        assert [etag for etag in etags if etag] == [store.stat("alias").etag]
        assert store.read("alias").data == b"new %d" % winner

    def test_replacing_what_is_not_there_does_not_create_it(self, store: Store) -> None:
        assert store.replace("absent", b"x", "0" * 32) is None
        with pytest.raises(NotFoundError):
            store.stat("absent")

    def test_a_winner_whose_answer_was_lost_still_knows_that_it_won(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put = Client.put
        calls = itertools.count()

        def lose_the_first_answer(client: Client, *args: Any) -> str:
            etag = put(client, *args)
            if next(calls) == 0:
                raise urllib3.exceptions.ProtocolError("connection reset")
            return etag

        monkeypatch.setattr(Client, "put", lose_the_first_answer)

        assert store.create("lock", b"mine") is True
        assert store.create("lock", b"mine") is False


class TestFailures:
    def test_what_was_acknowledged_survives_kill_9_in_mid_write(self, server: StoreServer, store: Store) -> None:
        acknowledged: list[str] = []
        stop = threading.Event()

        def write(worker: int) -> None:
            for number in itertools.count():
                if stop.is_set():
                    return
                key = f"worker-{worker}/{number:05}"
                store.put(key, key.encode() * 500)
                acknowledged.append(key)

        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(write, worker) for worker in range(4)]
            for kills in range(1, 3):
                wait_until(lambda goal=kills * 80: len(acknowledged) > goal)  # type: ignore[misc]
                server.kill()
                server.start()
            wait_until(lambda: len(acknowledged) > 240)
            stop.set()
            for writer in writers:
                writer.result()  # the writers rode out both outages

        assert {entry.key for entry in store.entries("worker-")} >= set(acknowledged)
        assert all(store.read(key).data == key.encode() * 500 for key in acknowledged)

    def test_a_download_rides_out_kill_9_of_the_server(
        self, server: StoreServer, store: Store, big_file: Path
    ) -> None:
        store.put_file("big", big_file)
        chunks = store.stream("big")
        received = [next(chunks)]
        server.kill()
        server.start()

        received.extend(chunks)

        assert b"".join(received) == big_file.read_bytes()

    def test_an_object_replaced_while_it_is_read_is_not_mixed_with_the_new_one(self, store: Store) -> None:
        store.put("swapped", b"a" * 3 * MB)
        entry = store.stat("swapped")
        store.put("swapped", b"b" * 3 * MB)

        with pytest.raises(ConflictError):
            list(store._connection.stream("swapped", entry.etag, entry.size, MB))

    def test_wrong_keys_are_rejected_at_once_and_never_shown(self, store: Store) -> None:
        endpoint = replace(store.endpoint, secret_key="not-the-right-secret")
        for wrong in (Store(endpoint), Store(replace(endpoint, access_key="nobody"))):
            for action in (
                lambda s=wrong: s.put("x", b""),
                lambda s=wrong: list(s.entries()),
                lambda s=wrong: s.stat("x"),
            ):
                started = time.monotonic()
                with pytest.raises(StoreDeniedError, match="BINOCULAR_STORE_SECRET_KEY") as caught:
                    action()
                assert time.monotonic() - started < 2
                assert "not-the-right-secret" not in f"{caught.value!r} {wrong.endpoint!r}"

    def test_a_missing_bucket_is_named(self, server: StoreServer) -> None:
        store = server.store(store_bucket="not-made-yet")

        for action in (lambda: store.put("x", b""), lambda: list(store.entries()), lambda: store.read("x")):
            with pytest.raises(BinocularError, match="not-made-yet") as caught:
                action()
            assert isinstance(caught.value, BucketMissingError), caught.value

    def test_an_endpoint_that_is_gone_is_one_clear_error_within_the_deadline(self, server: StoreServer) -> None:
        store = Store(
            replace(server.store().endpoint, url=f"http://127.0.0.1:{free_port()}", timeout_s=1, deadline_s=3)
        )
        started = time.monotonic()

        with pytest.raises(StoreUnavailableError, match="Connection refused") as refused:
            store.put("x", b"")

        assert store.endpoint.advice in str(refused.value)

        # Four pauses of 0.05 s at least, doubling, fit in whatever the jitter.
        assert 0.7 < time.monotonic() - started < 3


def test_a_part_of_an_object_is_read_from_its_beginning_or_its_end(store: Store) -> None:
    data = random.Random(7).randbytes(3 * MB)
    store.put("log", data)
    assert store.part("log", 10, 5).data == data[10:15]
    tail = store.part("log", -100, 1000)
    assert (tail.data, tail.start, tail.size) == (data[-100:], len(data) - 100, len(data))
    assert store.part("log", -10 * len(data), MB).data == data[:MB]
    assert store.part("log", len(data), MB).data == b""
    anew = store.part("log", len(data) + 1, 5)
    assert (anew.data, anew.start) == (data[:5], 0)
    with pytest.raises(NotFoundError):
        store.part("nothing", 0, 1)


def test_an_artifacts_address_is_a_bucket_and_a_key(store: Store) -> None:
    bucket = store.endpoint.bucket
    same, key = store.at(f"minio://{bucket}/v2/a b/#1?")
    assert (same, key) == (store, "v2/a b/#1?")
    other, key = store.at("s3://elsewhere/x")
    assert (other.endpoint.bucket, key) == ("elsewhere", "x")
    for wrong in ("", "gs://b/k", "/etc/passwd", "file:///etc/passwd", "minio:///x", "http://h/x"):
        with pytest.raises(NotFoundError):
            store.at(wrong)
