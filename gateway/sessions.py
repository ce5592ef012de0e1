"""Sessions of browsers: a signed cookie that no script can read, in place of a token.

It holds the digest of the token that opened it, so the session may do what the token may, and ends when the token
is taken back. A browser sends cookies of its own accord, also for a page of somebody else, so a cookie counts only
for reading, or with a header that such a page cannot add, in a request that the browser says comes from our own.
"""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from flask import Request
from itsdangerous import BadSignature, TimestampSigner

from binocular import tokens
from binocular.parts import gateway_token
from binocular.settings import Settings
from gateway.access import Caller, Door

COOKIE = "binocular-session"
HEADER, DASHBOARD = "X-Binocular", "dashboard"
SAFE = {"GET", "HEAD", "OPTIONS"}
SAME = "same-origin"


class Sessions:
    """Opens sessions and knows them again: another way in through the door."""

    def __init__(self, settings: Settings, door: Door) -> None:
        # The administrator's token signs: gateways that share it know each other's sessions, also after a restart.
        self._signer = TimestampSigner(gateway_token(settings), salt="binocular session")
        self._lifetime = timedelta(hours=settings.gateway_session_hours)
        self.door = door
        door.ways.append(self.caller)

    def open(self, token: str) -> tuple[str, datetime]:
        """The cookie's value for whoever has the token, and when it ends."""
        return self._signer.sign(tokens.digest(token)).decode(), datetime.now(UTC) + self._lifetime

    def caller(self, request: Request) -> Caller | None:
        """Who sends a request; None where its cookie does not count."""
        found = self.of(request)
        return found[0] if found else None

    def of(self, request: Request) -> tuple[Caller, datetime] | None:
        """Who sends a request, and when the session ends."""
        if "Cookie" not in request.headers:  # of most programs; to look among cookies costs more
            return None
        if COOKIE not in request.cookies or (request.method not in SAFE and not is_our_page(request)):
            return None
        most_s = int(self._lifetime.total_seconds())
        try:
            sha256, began = self._signer.unsign(request.cookies[COOKIE], most_s, return_timestamp=True)
        except BadSignature:
            return None
        caller = self.door.of_digest(sha256.decode())
        return (caller, began + self._lifetime) if caller else None


def is_our_page(request: Request) -> bool:
    """Whether a page of ours sends this, as far as a browser tells; no other site can add the header."""
    if request.headers.get(HEADER) != DASHBOARD or request.headers.get("Sec-Fetch-Site", SAME) != SAME:
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host
