"""The dashboard: one small page for every address, and the scripts and styles that fill it.

There is no build step and no other host. The page names its assets below a digest of all of them, so a browser may
keep them for ever, and never mixes those of two releases.
"""

from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request

from binocular.errors import NotFoundError
from binocular.report.pages import render
from gateway.pages.assets import Asset, Assets
from gateway.services import services

blueprint = Blueprint("pages", __name__)

HERE = Path(__file__).parent
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
FOR_EVER = "public, max-age=31536000, immutable"
# Each address with the script that fills it, as `router.js` has them.
SCRIPTS = {
    "/": "try.js",
    "/data": "data.js",
    "/runs": "runs.js",
    "/runs/new": "new.js",
    "/runs/compare": "compare.js",
    "/runs/<_which>": "run.js",
    "/models": "models.js",
    "/models/<int:_which>": "model.js",
    "/health": "health.js",
}


def page(_which: object = None) -> Response:
    """The page; which one it becomes is for its script to see."""
    found = _assets()
    rule = request.url_rule.rule if request.url_rule else "/"
    text = render(
        HERE,
        "shell.html.j2",
        base=f"/assets/{found.digest}",
        scripts=found.first(SCRIPTS[rule]),
        body_limit=services().most_bytes,
    )
    return Response(
        text,
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"},
    )


for _address in SCRIPTS:
    blueprint.add_url_rule(_address, view_func=page)


@blueprint.get("/assets/<digest>/<name>")
def asset(digest: str, name: str) -> Response:
    """A script, a style or a picture of this release; another release's are not here."""
    found = _assets()
    if digest != found.digest or name not in found.files:
        raise NotFoundError("this release has no such asset; load the page anew")
    return sent(found.files[name])


def sent(file: Asset) -> Response:
    """A file whose address names its release: compressed for whoever takes that, and to be kept for ever."""
    small = request.accept_encodings.quality("gzip") > 0
    response = Response(file.gzipped if small else file.data, content_type=file.content_type)
    if small:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = FOR_EVER
    return response


@cache
def _assets() -> Assets:
    """Read once by each process, when somebody first looks."""
    return Assets(HERE / "assets")
