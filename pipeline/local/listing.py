"""Lists of the API: a filter, an order and a page, as one SQL query.

    query = Query.of({"filter": '{"predicates": […]}', "sort_by": "created_at desc"}, RUN_FIELDS)
    rows, token = page(records, "runs", query)

A page begins behind the last row of the one before, so that rows added meanwhile neither repeat nor hide any.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from binocular.errors import RequestError
from pipeline.local.records import TABLES, Records, Row
from pipeline.local.values import Json, Value

DEFAULT_PAGE = 20
LARGEST_PAGE = 200
LONGEST_FILTER = 10_000
OPERATIONS = {
    1: "EQUALS", 2: "NOT_EQUALS", 3: "GREATER_THAN", 5: "GREATER_THAN_EQUALS", 6: "LESS_THAN",
    7: "LESS_THAN_EQUALS", 8: "IN", 9: "IS_SUBSTRING",
}  # fmt: skip
_SIGNS = {
    "EQUALS": "=", "NOT_EQUALS": "<>", "GREATER_THAN": ">", "GREATER_THAN_EQUALS": ">=", "LESS_THAN": "<",
    "LESS_THAN_EQUALS": "<=",
}  # fmt: skip
_VALUES = ("string_value", "int_value", "long_value", "timestamp_value")
_LISTS = ("string_values", "int_values", "long_values")


@dataclass(frozen=True)
class Query:
    """What a list request asks for. `column` and `where` come from us, `values` from the request."""

    where: str
    values: tuple[Value, ...]
    column: str
    descending: bool
    size: int
    after: tuple[Value, str] | None
    echo: str  # what the request asked for, which a page's successor repeats

    @classmethod
    def of(
        cls, request: Mapping[str, str], fields: Mapping[str, str], default_sort: str = "created_at"
    ) -> "Query":
        """Read a request; RequestError says what is wrong with it. `fields`: the API's name to ours."""
        size = _page_size(request.get("page_size", ""))
        token = _token(request.get("page_token", ""))
        text = str(token["filter"]) if token else request.get("filter", "")
        sort = str(token["sort"]) if token else request.get("sort_by", "") or default_sort
        where, values = _filter(text, fields)
        column, descending = _order(sort, fields)
        after = (token["value"], str(token["key"])) if token else None
        return cls(where, values, column, descending, size, after, json.dumps({"filter": text, "sort": sort}))


def page(
    records: Records, table: str, query: Query, where: str = "1", values: tuple[Value, ...] = ()
) -> tuple[list[Row], str, int]:
    """The rows of a page, the token of the next (or ""), and how many rows there are in all."""
    key = TABLES[table][0]
    all_where, all_values = f"({where}) AND ({query.where})", [*values, *query.values]
    total = records.count(table, all_where, all_values)
    column = f"COALESCE({query.column}, '')"
    beyond, direction = ("<", "DESC") if query.descending else (">", "ASC")
    if query.after:
        all_where += f" AND ({column}, {key}) {beyond} (?, ?)"
        all_values += [*query.after]
    order = f"{column} {direction}, {key} {direction} LIMIT {query.size + 1}"
    rows = records.find(table, all_where, all_values, order)
    more, rows = len(rows) > query.size, rows[: query.size]
    if not more:
        return rows, "", total
    last = rows[-1]
    next_page = {**json.loads(query.echo), "value": last[query.column] or "", "key": last[key]}
    return rows, base64.urlsafe_b64encode(json.dumps(next_page).encode()).decode(), total


def _page_size(text: str) -> int:
    if not text or text == "0":
        return DEFAULT_PAGE
    if not text.isdecimal():
        raise RequestError(f"page_size {text[:20]!r}: expected a whole number of at most {LARGEST_PAGE}")
    return min(int(text[:9]), LARGEST_PAGE)


def _token(text: str) -> Json | None:
    if not text:
        return None
    try:
        token = json.loads(base64.urlsafe_b64decode(text.encode()))
        if set(token) == {"filter", "sort", "value", "key"} and isinstance(token["value"], str | int | float):
            return dict(token)
    except (ValueError, TypeError, RecursionError):
        pass
    raise RequestError("page_token: not one that this server gave out")


def _order(sort: str, fields: Mapping[str, str]) -> tuple[str, bool]:
    name, _, direction = sort.strip().partition(" ")
    if name not in fields or direction.strip().lower() not in {"", "asc", "desc"}:
        raise RequestError(f"sort_by {sort[:80]!r}: expected one of {', '.join(fields)}, then 'asc' or 'desc'")
    return fields[name], direction.strip().lower() == "desc"


def _filter(text: str, fields: Mapping[str, str]) -> tuple[str, tuple[Value, ...]]:
    """A filter's predicates, all of which must hold."""
    if not text:
        return "1", ()
    if len(text) > LONGEST_FILTER:
        raise RequestError(f"filter of {len(text)} characters; at most {LONGEST_FILTER} are read")
    try:
        document = json.loads(text if text.lstrip().startswith("{") else unquote(text))
        predicates = document.get("predicates", [])
        read = [_predicate({_snake(k): v for k, v in each.items()}, fields) for each in predicates]
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        raise RequestError(
            'filter: expected {"predicates": [{"operation", "key", "string_value"}]} as JSON'
        ) from None
    return " AND ".join(["1", *(where for where, _ in read)]), tuple(value for _, some in read for value in some)


def _predicate(predicate: Json, fields: Mapping[str, str]) -> tuple[str, list[Value]]:
    key, operation = str(predicate.get("key")), predicate.get("operation")
    name = OPERATIONS.get(operation, "") if isinstance(operation, int) else str(operation)
    if key not in fields:
        raise RequestError(f"filter: {key!r} is no field; there are: {', '.join(fields)}")
    if name not in OPERATIONS.values():
        raise RequestError(f"filter: operation {operation!r} is none of {', '.join(OPERATIONS.values())}")
    column = f"COALESCE({fields[key]}, '')"
    if name == "IN":
        found: Value = next((predicate[each] for each in _LISTS if each in predicate), {})
        values = [_plain(each) for each in (found.get("values", []) if isinstance(found, dict) else found)]
        return f"{column} IN ({', '.join('?' * len(values))})", values
    given = [predicate[each] for each in _VALUES if each in predicate]
    if len(given) != 1:
        raise RequestError(f"filter: {key}: expected exactly one of {', '.join(_VALUES)}")
    if name == "IS_SUBSTRING":
        return f"INSTR({column}, ?) > 0", [_plain(given[0])]
    return f"{column} {_SIGNS[name]} ?", [_plain(given[0])]


def _plain(value: Value) -> str | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return value if isinstance(value, str) else float(value)  # an int may be larger than the database takes


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
