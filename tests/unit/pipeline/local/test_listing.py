"""Filters, order and pages over real rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from binocular.errors import ConflictError, NotFoundError, ProcessError
from pipeline.local.listing import LARGEST_PAGE, Query, page
from pipeline.local.records import Records

FIELDS = {"name": "display_name", "id": "experiment_id", "created_at": "created_at", "last": "last_run_created_at"}


@pytest.fixture
def records(tmp_path: Path) -> Records:
    records = Records(tmp_path / "test.db")
    for number in range(30):
        row = {
            "experiment_id": f"id{number:02}",
            "display_name": f"e{number:02}",
            "created_at": f"2026-01-{number % 3}",
        }
        records.insert("experiments", row)
    return records


def found(records: Records, **request: str) -> tuple[list[str], str, int]:
    rows, token, total = page(records, "experiments", Query.of(request, FIELDS))
    return [row["display_name"] for row in rows], token, total


def where(operation: Any, key: str, **value: Any) -> str:
    return json.dumps({"predicates": [{"operation": operation, "key": key, **value}]})


def test_pages_tell_everything_once_whatever_the_order(records: Records) -> None:
    for sort in ("", "name", "name desc", "created_at", "created_at desc", "last desc", "id asc"):
        names: list[str] = []
        token, pages = "", 0
        while pages == 0 or token:
            some, token, total = found(records, sort_by=sort, page_size="7", page_token=token)
            names += some
            pages += 1
        assert (sorted(names), pages, total) == ([f"e{n:02}" for n in range(30)], 5, 30)
    assert found(records, sort_by="name desc")[0][:2] == ["e29", "e28"]


def test_a_page_has_twenty_rows_and_never_more_than_two_hundred(records: Records) -> None:
    assert len(found(records)[0]) == 20
    assert Query.of({"page_size": "100000000000000000000000"}, FIELDS).size == LARGEST_PAGE


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (where(1, "name", stringValue="e05"), 1),
        (where("EQUALS", "name", string_value="e05"), 1),
        (where("NOT_EQUALS", "name", stringValue="e05"), 29),
        (where("GREATER_THAN", "name", stringValue="e25"), 4),
        (where("GREATER_THAN_EQUALS", "name", stringValue="e25"), 5),
        (where(6, "created_at", timestampValue="2026-01-1"), 10),
        (where("LESS_THAN_EQUALS", "name", stringValue="e01"), 2),
        (where("IN", "name", stringValues={"values": ["e01", "e02", "none"]}), 2),
        (where("IN", "name", stringValues={"values": []}), 0),
        (where("IS_SUBSTRING", "name", stringValue="1"), 12),
        (where("IS_SUBSTRING", "name", stringValue="%"), 0),
        (where(1, "name", stringValue="x' OR '1'='1"), 0),
        (where(1, "last", stringValue=""), 30),
        ("%7B%22predicates%22%3A%5B%5D%7D", 30),
        ("", 30),
    ],
)
def test_a_filter_keeps_what_it_says(records: Records, text: str, count: int) -> None:
    assert found(records, filter=text)[2] == count


def test_several_predicates_must_all_hold(records: Records) -> None:
    both = json.loads(where("GREATER_THAN", "name", stringValue="e10"))
    both["predicates"] += json.loads(where("LESS_THAN", "name", stringValue="e13"))["predicates"]

    assert found(records, filter=json.dumps(both), sort_by="name")[0] == ["e11", "e12"]


def test_changes_are_made_together_or_not_at_all(records: Records) -> None:
    def both() -> None:
        with records.writing():
            records.delete("experiments", "id05")
            records.insert("experiments", {"experiment_id": "new", "display_name": "e01"})

    with pytest.raises(ConflictError, match="'e01' exists already"):
        both()
    assert records.get("experiments", "id05")["display_name"] == "e05"
    with pytest.raises(NotFoundError):
        records.update("experiments", "none", {"display_name": "x"})
    with pytest.raises(NotFoundError):
        records.get("experiments", "new")


def test_a_database_of_a_later_release_is_not_touched(tmp_path: Path, records: Records) -> None:
    with records.writing() as database:
        database.execute("PRAGMA user_version = 99")

    with pytest.raises(ProcessError, match="has format 99; this release reads 1: upgrade"):
        Records(tmp_path / "test.db")
