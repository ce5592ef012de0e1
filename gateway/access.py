"""Who may do what: calls need a scope, and a caller has scopes.

    caller = door.check(request, "data")     # UnauthorizedError, ForbiddenError, or who it is
    door.ways.append(session)                # another way in beside the header, such as a cookie

Only digests of tokens are held. Tokens that `binocular token` makes or takes back count from the next request on.
"""

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass

from flask import Request

from binocular import tokens
from binocular.errors import ForbiddenError, SettingError, UnauthorizedError
from binocular.parts import GATEWAY_TOKEN, gateway_token
from binocular.settings import Settings, variable
from binocular.tokens import ADMIN, SCOPES, Scope, Token

SCHEME = "bearer"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who makes a request: the name of a token, never its value; nothing for somebody unknown."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether a call that needs the scope is theirs to make."""
        return scope in self.scopes or "admin" in self.scopes


Way = Callable[[Request], Caller | None]


class Door:
    """Tells who makes a request, and lets in whoever has the scope of the call."""

    def __init__(self, settings: Settings) -> None:
        self._fixed = [
            Token(ADMIN, frozenset(SCOPES), tokens.digest(gateway_token(settings))),
            *tokens.parse(settings.gateway_tokens.get_secret_value()),
        ]
        self._file = settings.home / tokens.FILE
        self._issued: tuple[object, list[Token]] = (None, [])
        self._stranger = Caller("", frozenset(["predict"] if settings.gateway_open_predict else []))
        self.ways: list[Way] = [self._of_header]
        self._where = (
            f"the value of {variable('gateway_token')}"
            if settings.gateway_token.get_secret_value()
            else f"kept in {GATEWAY_TOKEN} in the folder {variable('home')}"
        )

    def check(self, request: Request, scope: Scope) -> Caller:
        """Who makes the request; UnauthorizedError for a stranger, ForbiddenError where they lack the scope."""
        caller = self.caller(request)
        if caller.may(scope) or self._stranger.may(scope):
            return caller
        if caller.name:
            raise ForbiddenError(
                f"this call needs the scope {scope!r}; {caller.name!r} has {', '.join(sorted(caller.scopes))}",
                scope=scope,
            )
        raise UnauthorizedError(
            "this call needs the header 'Authorization: Bearer <token>'; the administrator's token is"
            f" {self._where}, and `binocular token` makes others"
        )

    def caller(self, request: Request) -> Caller:
        """Who makes the request, by the first way that knows them; a stranger where none does."""
        return next(filter(None, (way(request) for way in self.ways)), self._stranger)

    def of_token(self, given: str) -> Caller | None:
        """Whose token this is. It takes as long for a wrong one."""
        return self.of_digest(tokens.digest(given))

    def of_digest(self, sha256: str) -> Caller | None:
        """Whose token has this digest."""
        found = None
        for token in [*self._fixed, *self._of_file()]:
            if hmac.compare_digest(token.sha256, sha256):
                found = Caller(token.name, token.scopes)
        return found

    def _of_header(self, request: Request) -> Caller | None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return self.of_token(given.strip()) if scheme.lower() == SCHEME else None

    def _of_file(self) -> list[Token]:
        """The tokens in the home folder, read again once the file is another; none where it cannot be read."""
        try:
            is_now = self._file.stat()
            seen = (is_now.st_ino, is_now.st_mtime_ns, is_now.st_size)
        except OSError:
            return []
        if self._issued[0] != seen:
            self._issued = (seen, self._read())
        return self._issued[1]

    def _read(self) -> list[Token]:
        try:
            return tokens.read(self._file.parent)
        except (SettingError, OSError) as error:
            log.error("the tokens are not readable and open nothing", extra={"why": str(error)})  # noqa: TRY400
            return []
