"""A published folder is seen whole or not at all, whatever happens to who publishes and who reads."""

import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from binocular.errors import ConflictError, IntegrityError, InvalidKeyError, NotFoundError
from binocular.folders import get_folder, put_folder
from binocular.publication import MANIFEST, describe, fetch, publish, read_manifest
from binocular.settings import variable
from binocular.store import Store
from tests.servers import StoreServer, wait_until

PREFIX = "models/waste/1"


def make_folder(folder: Path, files: int, text: str = "") -> Path:
    for number in range(files):
        path = folder / f"part {number % 7}" / f"file-{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number} {text} " * 200)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "out", 200)


class Reader:
    """Polls a publication, and brings it whenever it is there."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._stop = threading.Event()
        self.polls = 0
        self.seen: list[dict[str, bytes]] = []

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1)
        self._result = self._thread.submit(self._poll)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.shutdown()
        self._result.result()

    def _poll(self) -> None:
        while not self._stop.is_set():
            if read_manifest(self._store, PREFIX) is not None and len(self.seen) < 3:
                target = self._folder / f"copy-{len(self.seen)}"
                fetch(self._store, PREFIX, target)
                self.seen.append(contents(target))
            self.polls += 1


def test_a_reader_sees_nothing_and_then_all_of_200_files(store: Store, folder: Path, tmp_path: Path) -> None:
    with Reader(store, tmp_path) as reader:
        wait_until(lambda: reader.polls > 3)
        publish(store, folder, PREFIX)
        wait_until(lambda: len(reader.seen) == 3)

    assert all(copy == contents(folder) for copy in reader.seen)


def test_a_publisher_killed_at_any_moment_shows_a_reader_nothing(
    server: StoreServer, store: Store, folder: Path, tmp_path: Path
) -> None:
    with Reader(store, tmp_path) as reader:
        for uploaded in (1, 60, 150):
            with publisher(server, store, folder) as process:
                wait_until(lambda goal=uploaded: sum(1 for _ in store.entries(PREFIX)) >= goal)  # type: ignore[misc]
                process.send_signal(signal.SIGKILL)
        polls = reader.polls
        wait_until(lambda: reader.polls > polls + 3)
        assert reader.seen == []
        left = {entry.key: entry.modified for entry in store.entries(PREFIX)}
        assert 150 <= len(left) < 200

        publish(store, folder, PREFIX)

        wait_until(lambda: len(reader.seen) == 3)
    assert all(copy == contents(folder) for copy in reader.seen)
    after = {entry.key: entry.modified for entry in store.entries(PREFIX)}
    assert all(after[key] == modified for key, modified in left.items())  # what was there was not sent again


def publisher(server: StoreServer, store: Store, folder: Path) -> subprocess.Popen[bytes]:
    """Another process that publishes a folder, slowly enough to be killed in the middle."""
    script = """
        import sys, time
        from pathlib import Path
        from binocular import publication
        from binocular.settings import load
        from binocular.store import Store, connect

        put_file = Store.put_file
        Store.put_file = lambda *args: (put_file(*args), time.sleep(0.02))[0]
        publication.publish(connect(load()), Path(sys.argv[1]), sys.argv[2])
    """
    settings = server.settings.model_copy(update={"store_bucket": store.endpoint.bucket, "store_parallel": 2})
    names = ["home", "store_url", "store_bucket", "store_port", "store_parallel"]
    environment = {variable(name): str(getattr(settings, name)) for name in names}
    for name in ("store_access_key", "store_secret_key"):
        environment[variable(name)] = getattr(settings, name).get_secret_value()
    command = [sys.executable, "-c", textwrap.dedent(script), str(folder), PREFIX]
    return subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2])


def test_publishing_the_same_folder_twice_is_the_same_publication(store: Store, folder: Path) -> None:
    first = publish(store, folder, PREFIX)

    assert publish(store, folder, PREFIX) == first == read_manifest(store, PREFIX)


def test_other_content_never_replaces_a_publication(store: Store, folder: Path, tmp_path: Path) -> None:
    first = publish(store, folder, PREFIX)
    other = make_folder(tmp_path / "other", 5, "other")

    with pytest.raises(ConflictError, match="published already"):
        publish(store, other, PREFIX)

    assert read_manifest(store, PREFIX) == first
    assert sum(1 for _ in store.entries(PREFIX)) == 201


def test_of_publishers_with_different_content_one_wins_and_the_others_leave_nothing(
    store: Store, tmp_path: Path
) -> None:
    folders = [make_folder(tmp_path / f"out-{number}", 20, f"publisher {number}") for number in range(6)]

    def attempt(folder: Path) -> bool:
        try:
            publish(store, folder, PREFIX)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(attempt, folders))

    assert won.count(True) == 1
    fetch(store, PREFIX, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(folders[won.index(True)])
    assert sum(1 for _ in store.entries(PREFIX)) == 21


def test_publishers_of_the_same_content_all_succeed(store: Store, tmp_path: Path, folder: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        manifests = list(pool.map(lambda _: publish(store, folder, PREFIX), range(3)))

    assert len(set(manifests)) == 1
    fetch(store, PREFIX, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(folder)


def test_a_folder_that_changes_while_it_is_published_is_not_made_public(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file = Store.put_file

    def change_then_put(self: Store, key: str, path: Path) -> object:
        (folder / "part 0" / "late.txt").write_text("written after the inventory")
        return put_file(self, key, path)

    monkeypatch.setattr(Store, "put_file", change_then_put)

    with pytest.raises(ConflictError, match="changed"):
        publish(store, folder, PREFIX)
    assert read_manifest(store, PREFIX) is None


def test_an_interrupted_fetch_shows_no_folder_and_continues(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, folder, PREFIX)
    brought: list[str] = []
    get_file = Store.get_file

    def cut_off(self: Store, key: str, path: Path) -> object:
        if len(brought) == 50:
            raise NotFoundError("cut off")
        brought.append(key)
        return get_file(self, key, path)

    monkeypatch.setattr(Store, "get_file", cut_off)
    with pytest.raises(NotFoundError, match="cut off"):
        fetch(store, PREFIX, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    brought.append("go on")

    fetch(store, PREFIX, tmp_path / "copy")

    assert len(brought) == 51 + 150
    assert contents(tmp_path / "copy") == contents(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "out"]


def test_a_file_damaged_in_the_store_is_named_and_no_folder_appears(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    manifest = publish(store, folder, PREFIX)
    store.put(f"{PREFIX}/{manifest.digest}/part 3/file-003.txt", b"damaged")

    with pytest.raises(IntegrityError, match=r"part 3/file-003\.txt"):
        fetch(store, PREFIX, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [(b"{", "damaged"), (b'{"format": 2, "digest": "d", "files": []}', "upgrade"), (b"\xff", "damaged")],
)
def test_a_damaged_or_newer_manifest_is_refused(store: Store, damage: bytes, message: str) -> None:
    store.put(f"{PREFIX}/{MANIFEST}", damage)

    with pytest.raises(IntegrityError, match=message):
        read_manifest(store, PREFIX)


def test_a_manifest_cannot_write_outside_of_its_folder(store: Store, folder: Path, tmp_path: Path) -> None:
    manifest = describe(folder)
    evil = manifest.files[0].model_copy(update={"path": "../../evil.txt"})
    store.put(f"{PREFIX}/{MANIFEST}", manifest.model_copy(update={"files": (evil,)}).model_dump_json().encode())

    with pytest.raises(InvalidKeyError, match="evil"):
        fetch(store, PREFIX, tmp_path / "copy")
    assert not (tmp_path.parent / "evil.txt").exists()


class TestFolders:
    def test_a_folder_goes_and_comes(self, store: Store, folder: Path, tmp_path: Path) -> None:
        assert len(list(put_folder(store, folder, "data"))) == 200
        assert len(list(get_folder(store, "data", tmp_path / "copy"))) == 200
        assert contents(tmp_path / "copy") == contents(folder)

    def test_files_that_are_there_are_not_brought_again(
        self, store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        list(put_folder(store, folder, "data"))
        list(get_folder(store, "data", tmp_path / "copy"))
        (tmp_path / "copy" / "part 0" / "file-000.txt").unlink()
        brought: list[str] = []
        get_file = Store.get_file

        def note(self: Store, key: str, path: Path) -> object:
            brought.append(key)
            return get_file(self, key, path)

        monkeypatch.setattr(Store, "get_file", note)

        list(get_folder(store, "data", tmp_path / "copy"))

        assert brought == ["data/part 0/file-000.txt"]
        assert contents(tmp_path / "copy") == contents(folder)
