"""The dashboard as it is sent: one page, assets that may be kept for ever, and a policy without exceptions."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from binocular.settings import Settings
from gateway import create_app
from gateway.pages import HERE, SCRIPTS

ADDRESSES = ("/", "/data", "/runs", "/runs/compare", "/runs/0b6e", "/models", "/models/3", "/health")


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """A gateway without anything behind it."""
    return create_app(Settings(home=tmp_path)).test_client()


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_answers_the_page(client: Any, address: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.headers["X-Frame-Options"] == "DENY"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|https?://", answer.text)
    for path in re.findall(r'(?:src|href)="(/assets/[^"]+)"', answer.text):
        found = client.get(path)
        assert found.status_code == 200, path
        assert "immutable" in found.headers["Cache-Control"]


def test_assets_are_compressed_for_those_who_take_that(client: Any) -> None:
    [path] = re.findall(r'src="(/assets/[^"]+)"', client.get("/").text)
    plain, small = client.get(path), client.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert gzip.decompress(small.data) == plain.data == (HERE / "assets" / "app.js").read_bytes()
    assert small.headers["Vary"] == "Accept-Encoding"
    assert plain.mimetype == "text/javascript"


@pytest.mark.parametrize("path", ["/assets/0000/app.js", "/assets/{}/../shell.html.j2", "/assets/{}/none.js"])
def test_what_is_no_asset_of_this_release_is_not_found(client: Any, path: str) -> None:
    digest = re.findall(r"/assets/([0-9a-f]+)/", client.get("/").text)[0]
    answer = client.get(path.format(digest))
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_scripts_import_only_what_is_there_and_never_write_markup() -> None:
    files = {path.name: path.read_text() for path in (HERE / "assets").glob("*.js")}
    for name, text in files.items():
        imported = re.findall(r"(?:from |import\()\"(\./[^\"]+)\"", text)
        assert [each for each in imported if each.removeprefix("./") not in files] == [], name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage", text
        ), name


def test_scripts_use_what_they_import_and_export_what_others_use() -> None:
    files = {path.name: path.read_text() for path in (HERE / "assets").glob("*.js")}
    imported: dict[str, set[str]] = {name: {"page"} for name in files}
    for name, text in files.items():
        for names, there in re.findall(r"^import \{ ([^}]+) \} from \"\./([^\"]+)\";$", text, re.MULTILINE):
            imported[there] |= set(names.split(", "))
            assert [each for each in names.split(", ") if len(re.findall(rf"\b{each}\b", text)) < 2] == [], name
    for name, text in files.items():
        exported = re.findall(r"^export (?:async )?(?:const|function|class) (\w+)", text, re.MULTILINE)
        assert set(exported) <= imported[name], name


def test_no_page_restyles_what_is_another_pages() -> None:
    owners: dict[str, set[str]] = {}
    for path in (HERE / "assets").glob("*.css"):
        style = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        for selectors in re.findall(r"([^{}]+)\{", style):
            for selector in selectors.split(","):
                if alone := re.fullmatch(r"\.([a-z-]+)", selector.strip()):
                    owners.setdefault(alone[1], set()).add(path.name)
    assert {name: sorted(files) for name, files in owners.items() if len(files) > 1} == {}


def test_each_address_has_the_script_that_the_router_gives_it() -> None:
    text = (HERE / "assets" / "router.js").read_text()
    pages = re.findall(r'path: "([^"]+)".* import\("\./([^"]+)"\)', text)
    assert {re.sub(r":\w+", "*", path): script for path, script in pages} == {
        re.sub(r"<[^>]+>", "*", rule): script for rule, script in SCRIPTS.items()
    }


def test_a_page_names_every_script_that_it_needs_at_once(client: Any) -> None:
    text = client.get("/data").text
    named = re.findall(r'rel="modulepreload" href="/assets/[0-9a-f]+/([^"]+)"', text)
    assert {"app.js", "dom.js", "data.js", "adding.js", "folders.js"} <= set(named)
    assert "try.js" not in named
    assert len(named) == len(set(named))
