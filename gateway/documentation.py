"""`/openapi.json`, and `/docs`: the same for people, one page without a script and without anything to fetch."""

from pathlib import Path

from flask import Blueprint, Response, current_app

from binocular.report.pages import render
from gateway import openapi

blueprint = Blueprint("documentation", __name__)

# A page of ours brings its style with it, and nothing else.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"


@blueprint.get("/openapi.json")
def described() -> Response:
    """The API, for programs."""
    return Response(openapi.text(current_app), content_type="application/json")


@blueprint.get("/docs")
def documented() -> Response:
    """The API, for people."""
    page = render(Path(__file__).parent, "docs.html.j2", api=openapi.document(current_app))
    return Response(page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY})
