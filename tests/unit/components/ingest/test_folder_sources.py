"""Folders as sources: which files are found, and what is said of a folder that is not laid out as expected."""

import os
import sys
import unicodedata
from pathlib import Path

import pytest

from binocular.errors import BinocularError, NotFoundError, SourceError, TooLargeError
from components.ingest.sources import Found, Limits, open_source


def tree(folder: Path, *names: str) -> Path:
    """A folder with these files, each holding its own name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def drawn(folder: Path, limits: Limits | None = None) -> list[Found]:
    return list(open_source(str(folder), store=None, scratch=folder / "unused", limits=limits or Limits()))


def places(folder: Path) -> dict[str, tuple[str, str | None]]:
    return {found.source: (found.label, found.split) for found in drawn(folder)}


def test_the_folder_of_an_image_is_its_class(tmp_path: Path) -> None:
    tree(tmp_path, "paper/b.png", "glass/a.jpg", "glass/more/even more/c.JPG", "Äpfel rot/d.webp")

    assert places(tmp_path) == {
        "glass/a.jpg": ("glass", None),
        "glass/more/even more/c.JPG": ("glass", None),
        "paper/b.png": ("paper", None),
        "Äpfel rot/d.webp": ("Äpfel rot", None),
    }


def test_files_come_sorted_and_are_read_when_asked(tmp_path: Path) -> None:
    names = ["b/2.jpg", "a/10.jpg", "a/9.jpg", "a-b/1.jpg"]
    found = drawn(tree(tmp_path, *names))

    assert [each.source for each in found] == sorted(names)
    assert [each.read() for each in found] == [name.encode() for name in sorted(names)]
    assert not any(each.corrected for each in found)


def test_folders_may_be_nested_deeper_than_calls(tmp_path: Path) -> None:
    deep = tree(tmp_path, "glass/a.jpg") / "glass"
    for _ in range(sys.getrecursionlimit()):
        deep /= "x"
        deep.mkdir()
    (deep / "b.jpg").touch()
    try:
        assert len(drawn(tmp_path)) == 2
    finally:  # what cleans up after tests goes by recursion
        (deep / "b.jpg").unlink()
        os.removedirs(deep)


def test_a_published_split_is_kept(tmp_path: Path) -> None:
    tree(tmp_path, "Train/glass/a.jpg", "val/glass/b.jpg", "valid/paper/c.jpg", "TEST/paper/d.jpg")

    assert places(tmp_path) == {
        "Train/glass/a.jpg": ("glass", "train"),
        "val/glass/b.jpg": ("glass", "validation"),
        "valid/paper/c.jpg": ("paper", "validation"),
        "TEST/paper/d.jpg": ("paper", "test"),
    }


def test_one_published_side_alone_is_a_split_and_no_wrapping(tmp_path: Path) -> None:
    assert places(tree(tmp_path, "train/glass/a.jpg")) == {"train/glass/a.jpg": ("glass", "train")}


def test_a_class_named_like_a_split_beside_others_is_a_class(tmp_path: Path) -> None:
    assert places(tree(tmp_path, "train/a.jpg", "bus/b.jpg"))["train/a.jpg"] == ("train", None)


@pytest.mark.parametrize("inner", ["glass/a.jpg", "train/glass/a.jpg"])
def test_one_folder_around_everything_is_looked_through(tmp_path: Path, inner: str) -> None:
    tree(tmp_path, f"trashnet/{inner}", "trashnet/README.md", "README.txt")

    assert [found.label for found in drawn(tmp_path)] == ["glass"]


def test_a_single_class_is_not_taken_for_a_folder_around_everything(tmp_path: Path) -> None:
    assert places(tree(tmp_path, "glass/a.jpg")) == {"glass/a.jpg": ("glass", None)}
    tree(tmp_path, "glass/more/b.jpg")
    assert {label for label, _ in places(tmp_path).values()} == {"glass"}


def test_what_systems_and_people_leave_behind_is_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, ".git/x.jpg", "__MACOSX/glass/._a.jpg", "glass/Thumbs.db", "glass/.DS_Store", "glass/._a.jpg")
    tree(tmp_path, "README", "labels.csv", "licence.txt", "glass/notes.txt", "glass/a.json", "docs/paper.pdf")
    tree(tmp_path, "glass/a.jpg", "glass/no-suffix", "glass/odd.heic")

    assert list(places(tmp_path)) == ["glass/a.jpg", "glass/no-suffix", "glass/odd.heic"]


def test_an_image_outside_any_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"loose\.jpg lies outside any class; put each image in a folder"):
        drawn(tree(tmp_path, "glass/a.jpg", "loose.jpg"))


def test_an_image_directly_in_a_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"train/x\.jpg, train/y\.jpg lie outside"):
        drawn(tree(tmp_path, "train/glass/a.jpg", "train/x.jpg", "train/y.jpg"))


def test_classes_that_differ_by_case_are_refused_naming_both(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'Glass' and 'glass' differ only by case"):
        drawn(tree(tmp_path, "train/glass/a.jpg", "test/Glass/b.jpg"))


def test_classes_that_differ_by_unicode_spelling_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Unicode spelling"):
        drawn(tree(tmp_path, "Äpfel/a.jpg", unicodedata.normalize("NFD", "Äpfel") + "/b.jpg"))


@pytest.mark.parametrize("name", ["a\nb", " glass", "x" * 101])
def test_a_folder_that_cannot_name_a_class_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="class name"):
        drawn(tree(tmp_path, f"{name}/a.jpg", "paper/a.jpg"))


def test_links_and_special_files_are_refused_by_name(tmp_path: Path) -> None:
    tree(tmp_path, "glass/a.jpg")
    (tmp_path / "glass" / "b.jpg").symlink_to("/etc/passwd")
    with pytest.raises(SourceError, match=r"glass/b\.jpg is a link or a special file"):
        drawn(tmp_path)
    (tmp_path / "glass" / "b.jpg").unlink()
    (tmp_path / "paper").symlink_to(tmp_path / "glass")
    with pytest.raises(SourceError, match="paper is a link"):
        drawn(tmp_path)
    (tmp_path / "paper").unlink()
    os.mkfifo(tmp_path / "glass" / "pipe")
    with pytest.raises(SourceError, match="pipe is a link or a special file"):
        drawn(tmp_path)


def test_a_name_that_no_manifest_could_hold_is_refused(tmp_path: Path) -> None:
    (tree(tmp_path, "glass/a.jpg") / "glass" / "\udcff.jpg").touch()
    with pytest.raises(SourceError, match="not UTF-8; rename it"):
        drawn(tmp_path)


def test_the_source_itself_may_be_a_link(tmp_path: Path) -> None:
    tree(tmp_path / "disk", "glass/a.jpg")
    (tmp_path / "data").symlink_to(tmp_path / "disk")

    assert places(tmp_path / "data") == {"glass/a.jpg": ("glass", None)}


@pytest.mark.parametrize("names", [(), ("README.md",), ("glass/notes.txt",), (".hidden/a.jpg",)])
def test_a_folder_without_classes_says_what_was_expected(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(SourceError, match="expected <class>/<image>"):
        drawn(tree(tmp_path, *names))


def test_a_file_beyond_the_limit_is_not_held(tmp_path: Path) -> None:
    found = drawn(tree(tmp_path, "glass/a.jpg"), Limits(member_bytes=5))
    with pytest.raises(TooLargeError, match="5 bytes"):
        found[0].read()


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    found = drawn(tree(tmp_path, "glass/a.jpg"))
    (tmp_path / "glass" / "a.jpg").unlink()
    with pytest.raises(NotFoundError, match=r"glass/a\.jpg is gone"):
        found[0].read()


@pytest.mark.parametrize(
    "spec",
    ["", "nowhere", "ftp://host/a.zip", "file:///etc", "s3://bucket/x", "a\0b", "~nobody-here/x", "x" * 5000],
)
def test_what_is_no_source_is_told_what_is(tmp_path: Path, spec: str) -> None:
    with pytest.raises(BinocularError) as caught:
        list(open_source(spec, store=None, scratch=tmp_path))
    assert isinstance(caught.value, SourceError | NotFoundError)
    assert "s3://" in str(caught.value)
    assert len(str(caught.value)) < 1000
