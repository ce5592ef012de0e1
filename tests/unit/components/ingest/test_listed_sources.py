"""CSV and JSONL files as sources."""

from pathlib import Path

import pytest

from binocular.errors import SourceError
from components.ingest.sources import Found, open_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two photos in it and one outside."""
    folder = tmp_path / "data"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_bytes(b"a")
    (folder / "photos" / "b, c.jpg").write_bytes(b"b")
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    return folder


def drawn(path: Path, content: str | bytes) -> list[Found]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(open_source(str(path), store=None, scratch=path.parent))


def rows(found: list[Found]) -> list[tuple[str, str, str | None, bytes]]:
    return [(each.source, each.label, each.split, each.read()) for each in found]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_lists_images(folder: Path, mark: bytes, end: str) -> None:
    lines = ["path,label,split,note", "photos/a.jpg,glass,TRAIN,x", '"photos/b, c.jpg",brown glass,,y', ""]
    content = mark + end.join(lines).encode()

    assert rows(drawn(folder / "list.csv", content)) == [
        ("photos/a.jpg", "glass", "train", b"a"),
        ("photos/b, c.jpg", "brown glass", None, b"b"),
    ]


def test_a_jsonl_lists_images(folder: Path) -> None:
    content = (
        '{"path": "photos/a.jpg", "label": "glass", "split": "val"}\n\n{"label": "纸", "path": "photos/b, c.jpg"}'
    )

    assert rows(drawn(folder / "list.jsonl", content)) == [
        ("photos/a.jpg", "glass", "validation", b"a"),
        ("photos/b, c.jpg", "纸", None, b"b"),
    ]


def test_an_absolute_path_may_lead_anywhere(folder: Path) -> None:
    outside = folder.parent / "outside.jpg"
    assert drawn(folder / "list.csv", f"path,label\n{outside},glass\n")[0].read() == b"outside"


def test_a_relative_path_stays_in_the_folder(folder: Path) -> None:
    (folder / "link.jpg").symlink_to(folder.parent / "outside.jpg")
    for name in ("../outside.jpg", "photos/../../outside.jpg", "link.jpg"):
        with pytest.raises(SourceError, match=r"list\.csv line 2.*leads out of the folder"):
            drawn(folder / "list.csv", f"path,label\n{name},glass\n")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no column path nor label"),
        ("file,label\n", "no column path;.*it has file, label"),
        ("path,label\n", "lists no images"),
        ("path,label\nphotos/a.jpg,glass\nphotos/a.jpg\n", "line 3: expected 2 columns"),
        ("path,label\nphotos/a.jpg,glass,more\n", "line 2: expected 2 columns"),
        ("path,label\nphotos/absent.jpg,glass\n", "line 2: there is no file 'photos/absent.jpg'"),
        ("path,label\nphotos,glass\n", "line 2: there is no file 'photos'"),
        ("path,label\n,glass\n", "line 2: path must be a text"),
        ("path,label\nphotos/a.jpg,\n", "line 2: label must be a text"),
        ("path,label\nphotos/a.jpg,a/b\n", "line 2: class name"),
        ("path,label\nphotos/a.jpg,glass\nphotos/a.jpg,Glass\n", "line 3: labels 'glass' and 'Glass'"),
        ("path,label,split\nphotos/a.jpg,glass,dev\n", "line 2: split must be one of"),
        ('path,label\n"photos/a.jpg,glass\n', "no CSV"),
        (b"path,label\nphotos/\xff.jpg,glass\n", "no CSV in UTF-8"),
        ("path,label\n" + "x" * 5000 + ",glass\n", "line 2: .*cannot be the path"),
        ("path,label\n" + "x" * 70_000 + ",glass\n", "line 2 is longer"),
        ("path,label\na\0b,glass\n", "line"),
    ],
)
def test_a_faulty_csv_is_refused_with_the_line(folder: Path, content: str | bytes, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        drawn(folder / "list.csv", content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "lists no images"),
        ("\n{", "line 2 is no JSON"),
        ("[]", "line 1: expected .* found list"),
        ('{"path": 1, "label": "glass"}', "line 1: path must be a text, found 1"),
        ('{"path": "photos/a.jpg"}', "line 1: label must be a text"),
        ('{"path": "photos/a.jpg", "label": "glass", "split": 1}', "line 1: split"),
        ("[" * 60_000, "line 1 is no JSON"),
        ("x" * 70_000, "line 1 is longer"),
        (b"\xff", "line 1 is no JSON"),
    ],
)
def test_a_faulty_jsonl_is_refused_with_the_line(folder: Path, content: str | bytes, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        drawn(folder / "list.jsonl", content)
