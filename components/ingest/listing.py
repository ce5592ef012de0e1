"""A CSV or JSONL file that lists images as a source: columns or keys `path`, `label` and, if wanted, `split`.

    path,label,split
    photos/a.jpg,glass,train

A relative path is taken from the file's folder and must stay in it; an absolute one may lead anywhere. Errors
give the number of the line.
"""

import csv
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, AnyStr, Final

from binocular.errors import InvalidLabelError, SourceError
from binocular.inspection import Limits
from binocular.labels import alike, check_label
from binocular.layout import SPLITS
from binocular.snapshot import Split
from components.ingest.found import Found
from components.ingest.trees import read_file

SUFFIXES = frozenset({".csv", ".jsonl"})
REQUIRED: Final = ("path", "label")
LONGEST_LINE = 1 << 16
# Excel begins its CSV files with a byte order mark.
ENCODING = "utf-8-sig"

Row = dict[str, object]


def listed_files(path: Path, limits: Limits) -> Iterator[Found]:
    """The files that a CSV or JSONL file lists, in its order."""
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _jsonl_rows(path)
    spelled: dict[str, str] = {}
    number = 0
    for number, row in rows:
        where = f"{path.name} line {number}"
        label = _label(row, where)
        first = spelled.setdefault(alike(label), label)
        if first != label:
            raise SourceError(
                f"{where}: labels {first!r} and {label!r} differ only by case; write both the same way"
            )
        file = _file(path.parent, _text(row, "path", where), where)
        read = partial(read_file, file, limits.member_bytes)
        yield Found(_text(row, "path", where), label, _split(row, where), read)
    if not number:
        raise SourceError(f"{path.name} lists no images; expected a line for each, with path and label")


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding=ENCODING, newline="") as file:
        reader = csv.DictReader(_lines(file, path.name), strict=True)
        try:
            columns = reader.fieldnames or []
            if missing := [name for name in REQUIRED if name not in columns]:
                raise SourceError(
                    f"{path.name} line 1: no column {' nor '.join(missing)}; its first line must name"
                    f" the columns path, label and perhaps split, it has {', '.join(columns) or 'none'}"
                )
            for row in reader:
                if None in row or None in row.values():
                    raise SourceError(f"{path.name} line {reader.line_num}: expected {len(columns)} columns")
                yield reader.line_num, dict(row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise SourceError(f"{path.name} line {reader.line_num + 1}: no CSV in UTF-8: {error}") from error


def _jsonl_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file, path.name), 1):
            where = f"{path.name} line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode(ENCODING))
            except (ValueError, RecursionError) as error:
                raise SourceError(f"{where} is no JSON in UTF-8: {error}") from error
            if not isinstance(row, dict):
                raise SourceError(f'{where}: expected {{"path": …, "label": …}}, found {type(row).__name__}')
            yield number, row


def _lines(file: IO[AnyStr], name: str) -> Iterator[AnyStr]:
    """The lines of a file, none of which is held before it is known to have an end."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise SourceError(f"{name} line {number} is longer than {LONGEST_LINE:,} characters; is it a list?")
        yield line


def _text(row: Row, key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise SourceError(f"{where}: {key} must be a text, found {value!r}")
    return value


def _label(row: Row, where: str) -> str:
    try:
        return check_label(_text(row, "label", where))
    except InvalidLabelError as error:
        raise SourceError(f"{where}: {error}") from error


def _split(row: Row, where: str) -> Split | None:
    value = row.get("split")
    if value is None or value == "":
        return None
    if not isinstance(value, str) or value.lower() not in SPLITS:
        raise SourceError(f"{where}: split must be one of {', '.join(SPLITS)} or empty, found {value!r}")
    return SPLITS[value.lower()]


def _file(folder: Path, name: str, where: str) -> Path:
    """The file a line names; a relative name may not lead out of the folder, by '..' or by a link."""
    try:
        file = folder / name
        if not Path(name).is_absolute() and not file.resolve().is_relative_to(folder.resolve()):
            raise SourceError(f"{where}: {name!r} leads out of the folder; give an absolute path if it is meant")
        if not file.is_file():
            raise SourceError(f"{where}: there is no file {name!r}; a relative path is taken from {folder}")
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"{where}: {name[:200]!r} cannot be the path of a file: {why}") from error
    return file
