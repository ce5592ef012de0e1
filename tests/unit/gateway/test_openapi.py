"""The document of the API is the one that the code makes, says what is so, and shows itself without the web."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from binocular.settings import Settings
from gateway import create_app, documentation, openapi
from gateway.calls import DECLARED

GOLDEN = Path(__file__).parents[3] / "docs" / "openapi.json"
# For Prometheus, and the document and its page themselves.
UNDECLARED = {"/metrics", "/openapi.json", "/docs", "/docs/plain", "/docs/<digest>/<name>"}


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """A gateway with nothing behind it."""
    return create_app(Settings(home=tmp_path)).test_client()


def test_the_kept_document_is_the_one_the_code_makes(client: Any) -> None:
    assert GOLDEN.read_text() == openapi.text(client.application), "run `make docs`"


def test_it_is_served_as_it_is_kept(client: Any) -> None:
    answer = client.get("/openapi.json")
    assert answer.content_type == "application/json"
    assert answer.text == GOLDEN.read_text()


def test_every_call_is_declared(client: Any) -> None:
    app = client.application
    undeclared = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith("pages.") and not hasattr(app.view_functions[rule.endpoint], DECLARED)
    }
    assert undeclared == UNDECLARED


def test_every_reference_leads_somewhere(client: Any) -> None:
    document = client.get("/openapi.json").json
    names = set(re.findall(r'"#/components/schemas/(\w+)"', openapi.text(client.application)))
    assert names == set(document["components"]["schemas"])
    operations = [call["operationId"] for methods in document["paths"].values() for call in methods.values()]
    assert len(operations) == len(set(operations))


def test_calls_that_change_something_say_that_they_need_the_token(client: Any) -> None:
    paths = client.get("/openapi.json").json["paths"]
    open_to_all = {
        path for path, methods in paths.items() if "post" in methods and "security" not in methods["post"]
    }
    assert open_to_all == {"/session"}  # whose body holds the token
    assert paths["/v1/predict"]["post"]["security"] == [{}, {"token": ["predict"]}]
    assert paths["/v1/feedback"]["post"]["security"] == [{"token": ["data"]}]
    assert paths["/v1/retrain"]["post"]["security"] == [{"token": ["admin"]}]
    assert {"401", "403"} <= set(paths["/v1/retrain"]["post"]["responses"])


def test_the_page_to_try_calls_on_has_all_it_needs_from_here(client: Any) -> None:
    page = client.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "http" not in policy
    wanted = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(wanted) == 4
    assert not re.search(r"<script(?! src)|https?://| on\w+=", page.text)
    for path in wanted:
        assert client.get(path).status_code == 200
    script = next(path for path in wanted if path.endswith("bundle.js"))
    answer = client.get(script, headers={"Accept-Encoding": "gzip"})
    assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert "immutable" in answer.headers["Cache-Control"]
    assert len(answer.data) < 600_000
    assert gzip.decompress(answer.data) == client.get(script).data
    for path in ("/docs/0000/swagger.js", f"{script}/..%2f..%2f__init__.py", script.replace("-bundle", "")):
        assert client.get(path).status_code == 404


def test_without_swagger_the_plain_page_takes_its_place(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documentation, "WHEEL", "nothing_of_this_name")
    documentation._files.cache_clear()
    try:
        assert client.get("/docs").text == client.get("/docs/plain").text
    finally:
        documentation._files.cache_clear()


def test_the_plain_page_needs_nothing_from_anywhere(client: Any) -> None:
    answer = client.get("/docs/plain")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//|url\(|@import", answer.text)
    for path in client.get("/openapi.json").json["paths"]:
        assert path in answer.text
    links = set(re.findall(r'href="#(\w+)"', answer.text))
    assert links <= set(re.findall(r'id="(\w+)"', answer.text))
