"""The puller as a process, against real object stores: it follows production, whatever breaks around it."""

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from binocular import registry
from binocular.folders import file_names
from binocular.registry import prefix
from binocular.store import Store
from serving.sync.folder import OURS
from tests.puller import NAME, ROOT, PullerProcess, assert_whole, publish, published
from tests.servers import SeaweedFS, StoreServer, wait_until

KILLS = 5
KILLS_WITHIN_S = 20
PADDING = 3 << 20

# What does not depend on the kind of store is tried with one.
one_store = pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)


def promote(store: Store, version: int) -> None:
    present = registry.production(store, NAME)
    over = present.version if present else None
    registry.promote(store, NAME, version, by="Ada", why="a test", over=over)


def test_it_follows_production_forward_and_back(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path, 3)
    with PullerProcess(server, bucket, tmp_path / "served") as puller:
        wait_until(lambda: puller.get("/healthz"))
        ready = puller.get("/readyz")
        assert ready is not None
        assert ready.status == 503
        promote(store, 2)
        puller.offers(2)
        promote(store, 3)
        puller.offers(3)
        puller.in_step()
        assert sorted(puller.folder.visible()) == [2, 3]
        brought = puller.metric("download_bytes_total")

        registry.roll_back(store, NAME, by="Ada", why="3 is worse")
        puller.offers(2)
        registry.roll_back(store, NAME, by="Ada", why="it is not")
        puller.offers(3)

        puller.in_step()
        assert puller.metric("download_bytes_total") == brought > 0
        assert puller.metric("version_offered") == puller.metric("version_wanted") == 3
        assert time.time() - puller.metric("last_sync_timestamp_seconds") < 60
        assert_whole(puller.folder, store)
        assert puller.kill(signal.SIGTERM) == 0


@one_store
def test_a_version_folder_holds_what_was_published_and_nothing_of_ours(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    promote(store, publish(store, tmp_path))
    with PullerProcess(server, bucket, tmp_path / "served") as puller:
        puller.offers(1)
        puller.in_step()

    assert file_names(tmp_path / "served" / NAME / "1") == [file.path for file in published(store, 1).files]
    assert sorted(path.name for path in (tmp_path / "served" / NAME).iterdir()) == [OURS, "1"]


@one_store
def test_what_is_not_needed_is_deleted_and_what_a_roll_back_needs_is_not(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path, 5)
    with PullerProcess(server, bucket, tmp_path / "served", puller_keep=1) as puller:
        for version in (1, 2, 3, 4):
            promote(store, version)
            puller.offers(version)
        wait_until(lambda: sorted(puller.folder.visible()) == [3, 4])
        registry.roll_back(store, NAME, by="Ada", why="4 is worse")
        puller.offers(3)
        promote(store, 5)
        puller.offers(5)

        wait_until(lambda: puller.folder.local(4) is None)
        assert sorted(puller.folder.visible()) == [3, 5]


@one_store
def test_nothing_is_deleted_within_the_grace_time(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path, 3)
    with PullerProcess(server, bucket, tmp_path / "served", puller_keep=1, puller_grace_s=3600) as puller:
        for version in (1, 2, 3):
            promote(store, version)
            puller.offers(version)
        puller.in_step()
        before = puller.metric("last_sync_timestamp_seconds")
        wait_until(lambda: puller.metric("last_sync_timestamp_seconds") > before)

        assert sorted(puller.folder.visible()) == [1, 2, 3]


@one_store
def test_one_process_follows_several_models(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    for name in (NAME, "other"):
        version = publish(store, tmp_path, 1, name=name)
        registry.promote(store, name, version, by="Ada", why="a test", over=None)
    with PullerProcess(server, bucket, tmp_path / "served", "--model", "other", "--model", NAME) as puller:
        puller.offers(1)
        wait_until((tmp_path / "served" / "other" / "1").is_dir)
        assert puller.metric("version_wanted", "other") == 1


def test_killed_at_any_moment_a_version_is_whole_or_absent_and_one_is_always_there(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path, 4, padding=PADDING)
    base = tmp_path / "served"
    promote(store, 1)
    with PullerProcess(server, bucket, base) as puller:
        puller.offers(1)
    chance, end, rounds, changed = random.Random(0), time.monotonic() + KILLS_WITHIN_S, 0, 0
    while rounds < KILLS and time.monotonic() < end:
        rounds += 1
        before = puller.folder.offered()
        wanted = chance.choice([version for version in (1, 2, 3, 4) if version != before])
        promote(store, wanted)
        with PullerProcess(server, bucket, base, puller_keep=1) as puller:
            wait_until(lambda: puller.get("/healthz"))
            time.sleep(chance.uniform(0, 0.3))  # the moment of death; nothing is awaited
        assert puller.folder.offered() in {before, wanted}
        assert_whole(puller.folder, store)
        changed += puller.folder.offered() == wanted

    assert changed > 0  # some lived long enough
    with PullerProcess(server, bucket, base) as puller:
        puller.in_step()
        assert list((base / NAME / OURS).glob("incoming/*")) == []


@one_store
def test_two_pullers_of_one_folder_take_turns(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path, 2)
    promote(store, 1)
    with PullerProcess(server, bucket, tmp_path / "served") as first:
        first.in_step()
        with PullerProcess(server, bucket, tmp_path / "served") as second:
            wait_until(lambda: (told := second.told()) and told["reason"] == "locked")
            told = second.told()
            assert told is not None
            assert f"process {first.process.pid}" in told["problem"]
            with PullerProcess(server, bucket, tmp_path / "served", "--once") as third:
                assert third.ended() == 1
            first.kill()
            promote(store, 2)
            second.offers(2)
            second.in_step()


def test_a_store_that_goes_away_changes_nothing_and_its_return_is_noticed(tmp_path: Path) -> None:
    server = SeaweedFS(tmp_path)
    server.start()
    try:
        store = server.store(store_bucket="going")
        store.ensure_bucket()
        publish(store, tmp_path, 2)
        promote(store, 1)
        with PullerProcess(server, "going", tmp_path / "served") as puller:
            puller.in_step()
            server.kill()
            wait_until(lambda: puller.metric("failures_total", "store_unavailable") >= 2)
            told, ready, alive = puller.told(), puller.get("/readyz"), puller.get("/healthz")
            assert ready is not None
            assert alive is not None
            assert (ready.status, alive.status) == (200, 200)
            assert told is not None
            assert told["offered"] == 1
            assert "is not answering" in told["problem"]
            assert puller.metric("problem", "store_unavailable") == 1

            server.start()
            promote(store, 2)
            puller.offers(2)
            puller.in_step()
            assert puller.metric("problem", "store_unavailable") == 0
        with PullerProcess(server, "going", tmp_path / "served") as again:
            server.kill()
            wait_until(lambda: (told := again.told()) and told["reason"] == "store_unavailable")
            assert again.folder.offered() == 2
    finally:
        server.stop()


def test_a_bad_version_is_told_and_the_next_good_one_is_taken_at_once(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path, 3)
    promote(store, 1)
    manifest = published(store, 2)
    store.put(f"{prefix(NAME, 2)}/{manifest.digest}/model.tflite", b"something else")
    with PullerProcess(server, bucket, tmp_path / "served") as puller:
        puller.in_step()
        promote(store, 2)
        wait_until(lambda: puller.metric("failures_total", "integrity") >= 2)
        told = puller.told()
        assert told is not None
        assert (told["offered"], told["wanted"], told["in_step"]) == (1, 2, False)
        assert "model.tflite does not match its manifest" in told["problem"]
        promote(store, 3)
        puller.offers(3)
        puller.in_step()
        assert "does not match" in puller.log.read_text()


@one_store
def test_once_brings_what_is_in_production_or_says_why_not(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path)
    with PullerProcess(server, bucket, tmp_path / "served", "--once") as puller:
        assert puller.ended() == 1
    assert f"no version of {NAME} is in production" in puller.log.read_text()
    promote(store, 1)
    with PullerProcess(server, bucket, tmp_path / "served", "--once") as puller:
        assert puller.ended() == 0
    assert_whole(puller.folder, store)


@one_store
def test_a_full_disk_is_told_and_what_is_served_stays(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    small = ["unshare", "-rm", "sh", "-c", f"mount -t tmpfs -o size=2m none {tmp_path} && df {tmp_path}"]
    if not shutil.which("unshare") or subprocess.run(small, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a small disk")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    publish(store, scratch)
    publish(store, scratch, padding=PADDING)
    promote(store, 1)
    base = tmp_path / "served"
    (base / NAME).mkdir(parents=True)
    with OnASmallDisk(server, bucket, base) as puller:
        puller.in_step()
        promote(store, 2)
        wait_until(lambda: puller.metric("failures_total", "disk_full") >= 2)
        told = puller.told()
        assert told is not None
        assert (told["offered"], told["reason"]) == (1, "disk_full")
        assert "kB free" in told["problem"]


class OnASmallDisk(PullerProcess):
    """A puller whose folder is a disk of 2 MB that only it sees."""

    MOUNT = 'mount -t tmpfs -o size=2m none "$BINOCULAR_PULLER_FOLDER" && exec "$@"'
    COMMAND = ("unshare", "-rm", "sh", "-c", MOUNT, "sh", *PullerProcess.COMMAND)


def test_it_needs_neither_tensorflow_nor_what_reads_pictures_or_draws_tables() -> None:
    script = "import sys, serving.sync.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(done.stdout.split()) & {"tensorflow", "keras", "numpy", "PIL", "click", "rich", "flask", "kfp"}


@one_store
def test_a_model_server_never_finds_the_folder_empty_or_another_version_in_front(
    server: StoreServer, store: Store, bucket: str, tmp_path: Path
) -> None:
    publish(store, tmp_path, 3)
    promote(store, 2)
    with PullerProcess(server, bucket, tmp_path / "served", puller_keep=1) as puller:
        puller.offers(2)
        with Watch(puller.folder.offered) as watch:
            for version in (3, 2, 3, 1, 2):
                promote(store, version)
                puller.offers(version)
    assert watch.seen == [2, 3, 2, 3, 1, 2]


class Watch:
    """Every value that something had, in order, as far as a busy look sees it."""

    def __init__(self, look: Callable[[], int | None]) -> None:
        self._look, self._stop = look, threading.Event()
        self.seen = [look()]
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stop.wait(0.001)  # and one look more, at what it was left as
            value = self._look()
            if value != self.seen[-1]:
                self.seen.append(value)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
