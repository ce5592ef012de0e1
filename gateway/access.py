"""The token that calls must carry which change something."""

import hashlib
import hmac

from flask import Request

from binocular.errors import UnauthorizedError
from binocular.parts import GATEWAY_TOKEN, gateway_token
from binocular.settings import Settings, variable
from gateway.sessions import Sessions

SCHEME = "bearer"


class Door:
    """Lets in whoever has the token. Only its digest is held."""

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self._sessions = sessions
        self._digest = _digest(gateway_token(settings))
        self._where = (
            f"the value of {variable('gateway_token')}"
            if settings.gateway_token.get_secret_value()
            else f"kept in {GATEWAY_TOKEN} in the folder {variable('home')}"
        )

    def check(self, request: Request) -> None:
        """UnauthorizedError unless the request carries the token, or the cookie of a session."""
        if self._sessions.of(request):
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(_digest(given.strip()), self._digest)
        if scheme.lower() != SCHEME or not right:
            raise UnauthorizedError(
                f"this call needs the header 'Authorization: Bearer <token>'; the token is {self._where}"
            )

    def check_token(self, token: str) -> None:
        """UnauthorizedError unless this is the token."""
        if not hmac.compare_digest(_digest(token.strip()), self._digest):
            raise UnauthorizedError(f"that is not the token; it is {self._where}")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
