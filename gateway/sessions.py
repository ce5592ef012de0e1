"""Sessions of browsers: a signed text in a cookie that no script can read.

Its key is made from the administrator's token, so a new token ends every session. A browser sends cookies of its own
accord, also for a page of somebody else, so a cookie counts only for reading, or with a header that such a page
cannot add, in a request that the browser says comes from our own pages.
"""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from flask import Request
from itsdangerous import BadSignature, TimestampSigner

from binocular.parts import gateway_token
from binocular.settings import Settings

COOKIE = "binocular-session"
HEADER, DASHBOARD = "X-Binocular", "dashboard"
SAFE = {"GET", "HEAD", "OPTIONS"}
SAME = "same-origin"


class Sessions:
    """Opens sessions and knows them again."""

    def __init__(self, settings: Settings) -> None:
        self._signer = TimestampSigner(gateway_token(settings), salt="binocular session")
        self._lifetime = timedelta(hours=settings.gateway_session_hours)

    def open(self, name: str) -> tuple[str, datetime]:
        """The cookie's value for somebody, and when it ends."""
        return self._signer.sign(name.encode()).decode(), datetime.now(UTC) + self._lifetime

    def of(self, request: Request) -> tuple[str, datetime] | None:
        """Who sends a request, and when their session ends; None where its cookie does not count."""
        if request.method not in SAFE and not is_our_page(request):
            return None
        cookie, most_s = request.cookies.get(COOKIE, ""), int(self._lifetime.total_seconds())
        try:
            name, began = self._signer.unsign(cookie, most_s, return_timestamp=True)
        except BadSignature:
            return None
        return name.decode(), began + self._lifetime


def is_our_page(request: Request) -> bool:
    """Whether a page of ours sends this, as far as a browser tells; no other site can add the header."""
    if request.headers.get(HEADER) != DASHBOARD or request.headers.get("Sec-Fetch-Site", SAME) != SAME:
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host
