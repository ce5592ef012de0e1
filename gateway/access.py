"""The token that calls must carry which change something."""

import hashlib
import hmac
import secrets

from flask import Request

from binocular.embedded import write_once
from binocular.errors import UnauthorizedError
from binocular.settings import Settings, variable

FILE = "gateway-token"
SCHEME = "bearer"


def token(settings: Settings) -> str:
    """The token that is asked for; made on the first start where none is set."""
    if given := settings.gateway_token.get_secret_value():
        return given
    path = settings.home / FILE
    write_once(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


class Door:
    """Lets in whoever has the token. Only its digest is held."""

    def __init__(self, settings: Settings) -> None:
        self._digest = _digest(token(settings))
        self._where = (
            f"the value of {variable('gateway_token')}"
            if settings.gateway_token.get_secret_value()
            else f"kept in {FILE} in the folder {variable('home')}"
        )

    def check(self, request: Request) -> None:
        """UnauthorizedError unless the request carries the token."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(_digest(given.strip()), self._digest)
        if scheme.lower() != SCHEME or not right:
            raise UnauthorizedError(
                f"this call needs the header 'Authorization: Bearer <token>'; the token is {self._where}"
            )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
