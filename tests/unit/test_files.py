"""Files that appear whole, folders as keys, and work done in parallel."""

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from binocular.embedded import write_once
from binocular.errors import ConflictError, InvalidKeyError, NotFoundError
from binocular.folders import file_names, inside
from binocular.parallel import in_parallel
from binocular.partialfile import PartialFile
from binocular.publication import describe


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that takes no more, as far as this process is concerned."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_secret_that_the_disk_did_not_take_leaves_no_draft(tmp_path: Path) -> None:
    with files_of_at_most(10), pytest.raises(OSError, match="too large"):
        write_once(tmp_path / "key", "s" * 20)
    assert list(tmp_path.iterdir()) == []
    write_once(tmp_path / "key", "first")
    write_once(tmp_path / "key", "second")
    assert (tmp_path / "key").read_text() == "first"


class TestPartialFile:
    def test_a_file_appears_when_it_is_finished_and_not_before(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        with PartialFile(path, "content-1") as part:
            part.write(b"whole")
            assert not path.exists()
            part.finish()

        assert path.read_bytes() == b"whole"
        assert list(tmp_path.iterdir()) == [path]

    def test_the_next_try_for_the_same_content_continues(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        with PartialFile(path, "content-1") as part:
            part.write(b"half ")
        with PartialFile(path, "content-1") as part:
            assert part.size == 5
            assert part.digest(whole=10).name == "sha256"
            part.write(b"whole")
            part.finish()

        assert path.read_bytes() == b"half whole"

    def test_other_content_starts_over(self, tmp_path: Path) -> None:
        with PartialFile(tmp_path / "file", "content-1") as part:
            part.write(b"half ")
        with PartialFile(tmp_path / "file", "content-2") as part:
            assert part.size == 0

    def test_two_at_once_do_not_write_into_one_another(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        with PartialFile(path, "content-1") as first, PartialFile(path, "content-1") as second:
            first.write(b"who")
            second.write(b"whole")
            first.write(b"le")
            second.finish()
            assert path.read_bytes() == b"whole"
            first.finish()

        assert path.read_bytes() == b"whole"
        assert list(tmp_path.iterdir()) == [path]

    def test_what_was_discarded_is_not_continued(self, tmp_path: Path) -> None:
        with PartialFile(tmp_path / "file", "content-1") as part:
            part.write(b"wrong")
            part.discard()

        assert list(tmp_path.iterdir()) == []

    def test_bytes_that_the_disk_did_not_take_are_never_missing_without_a_word(self, tmp_path: Path) -> None:
        with PartialFile(tmp_path / "file", "content-1") as part, files_of_at_most(3000):
            part.write(bytes(2000))
            with pytest.raises(OSError, match="too large"):
                part.write(bytes(2000))

    def test_the_longest_names_fit(self, tmp_path: Path) -> None:
        path = tmp_path / ("ü" * 127)
        with PartialFile(path, "content-1") as part:
            part.finish()

        assert path.exists()


class TestFolders:
    def test_names_are_relative_sorted_keys(self, tmp_path: Path) -> None:
        for name in ("b/2", "a", "b/1"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()

        assert file_names(tmp_path) == ["a", "b/1", "b/2"]

    def test_links_and_special_files_are_refused_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/etc")
        with pytest.raises(InvalidKeyError, match="link is a link or a special file"):
            file_names(tmp_path)
        (tmp_path / "link").unlink()
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InvalidKeyError, match="pipe is a link or a special file"):
            file_names(tmp_path)

    def test_what_is_no_folder_is_not_found(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            file_names(tmp_path / "absent")
        with pytest.raises(NotFoundError, match="no files"):
            describe(tmp_path)

    @pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x"])
    def test_no_key_leads_out_of_a_folder(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(InvalidKeyError):
            inside(tmp_path, name)


class TestParallel:
    def test_results_come_in_order(self) -> None:
        assert list(in_parallel(4, lambda n: n * n, range(100))) == [n * n for n in range(100)]

    def test_items_are_drawn_as_they_are_needed(self) -> None:
        drawn: list[int] = []

        def items() -> Iterator[int]:
            for number in range(1000):
                drawn.append(number)
                yield number

        assert list(islice(in_parallel(2, str, items()), 1)) == ["0"]
        assert len(drawn) < 10

    def test_the_first_failure_stops_the_rest(self) -> None:
        done: list[int] = []
        lock = threading.Lock()

        def work(number: int) -> None:
            if number == 3:
                raise ConflictError("three")
            with lock:
                done.append(number)

        with pytest.raises(ConflictError):
            list(in_parallel(2, work, range(1000)))
        assert len(done) < 20
