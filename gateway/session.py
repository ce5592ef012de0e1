"""`/session`: a browser trades a token for a cookie that no script can read, and gives it back."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, after_this_request, request

from binocular.errors import UnauthorizedError
from binocular.messages import Session, SignIn
from binocular.tokens import SCOPES
from gateway.access import Caller
from gateway.calls import call, json_body
from gateway.journal import note
from gateway.limits import client_of
from gateway.services import services
from gateway.sessions import COOKIE, is_our_page

blueprint = Blueprint("session", __name__)


@blueprint.get("/session")
@call("Who is signed in with this browser", Session)
def show_session() -> Session:
    """By the cookie alone: what a token may do is not told here."""
    found = services().sessions.of(request)
    return _session(*found) if found else Session(signed_in=False)


@blueprint.post("/session")
@call("Sign in with a browser", Session, takes=SignIn, refuses=(400, 401, 413, 415, 429))
def sign_in() -> Session:
    """The answer sets a cookie, which later calls of the same site may send in place of the token."""
    if not is_our_page(request):
        raise UnauthorizedError("only the dashboard itself opens a session; programs send the token")
    here = services()
    here.limits.take(
        "sign-in", client_of(request.remote_addr or "")
    )  # the right one too: nobody learns which it was
    token = json_body(SignIn).token.strip()
    caller = here.door.of_token(token)
    if caller is None:
        raise UnauthorizedError("that is no token of this gateway")
    note(caller=caller.name)
    value, ends = here.sessions.open(token)

    @after_this_request
    def keep(response: Response) -> Response:
        response.set_cookie(COOKIE, value, expires=ends, **_attributes())
        return response

    return _session(caller, ends)


@blueprint.delete("/session")
@call("Sign out with a browser", Session)
def sign_out() -> Session:
    """The cookie is taken back."""

    @after_this_request
    def forget(response: Response) -> Response:
        response.delete_cookie(COOKIE, **_attributes())
        return response

    return Session(signed_in=False)


def _session(caller: Caller, ends: datetime) -> Session:
    scopes = [scope for scope in SCOPES if caller.may(scope)]
    return Session(signed_in=True, name=caller.name, scopes=scopes, ends_at=ends)


def _attributes() -> dict[str, Any]:
    # Whoever lies about https harms nobody but himself: his browser would not send the cookie.
    by_https = request.is_secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    return {"path": "/", "httponly": True, "samesite": "Strict", "secure": by_https}
