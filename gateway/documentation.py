"""`/openapi.json`, and for people `/docs`, where each call can be tried, and `/docs/plain` without scripts.

`/docs` is Swagger UI out of its wheel, served from here: nothing is fetched from elsewhere. Where the wheel is not
installed, the plain page takes its place.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, current_app

from binocular.errors import NotFoundError
from binocular.report.pages import render
from gateway import openapi
from gateway.pages import sent
from gateway.pages.assets import TYPES, Asset, digest_of

blueprint = Blueprint("documentation", __name__)

HERE = Path(__file__).parent
WHEEL = "flask_openapi3_swagger"
THEIRS = ("css/swagger-ui.css", "js/swagger-ui-bundle.js")
OURS = "swagger.js"
# A page of ours brings its style with it, and nothing else.
PLAIN = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
# Swagger UI writes styles into what it draws; scripts are files, and everything is from here.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/openapi.json")
def described() -> Response:
    """The API, for programs."""
    return Response(openapi.text(current_app), content_type="application/json")


@blueprint.get("/docs")
def documented() -> Response:
    """The API, for people, to be tried."""
    files, digest = _files()
    if len(files) <= 1:
        return plain()
    return _page(render(HERE, "swagger.html.j2", base=f"/docs/{digest}"), POLICY)


@blueprint.get("/docs/plain")
def plain() -> Response:
    """The API, for people, on one page without a script."""
    return _page(render(HERE, "docs.html.j2", api=openapi.document(current_app)), PLAIN)


@blueprint.get("/docs/<digest>/<name>")
def asset(digest: str, name: str) -> Response:
    """A script or a style of this release."""
    files, present = _files()
    if digest != present or name not in files:
        raise NotFoundError("this release has no such asset; load the page anew")
    return sent(files[name])


def _page(text: str, policy: str) -> Response:
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(text, content_type="text/html; charset=utf-8", headers=headers)


@cache
def _files() -> tuple[dict[str, Asset], str]:
    """Swagger UI's files and ours by name, and a digest of all; ours alone where its wheel is not installed."""
    spec = find_spec(WHEEL)
    folders = (spec.submodule_search_locations if spec else None) or []
    paths = [Path(folder, "templates", "swagger", name) for folder in folders for name in THEIRS]
    found = {path.name: Asset(path.read_bytes(), TYPES[path.suffix]) for path in [*paths, HERE / OURS]}
    return found, digest_of(found)
