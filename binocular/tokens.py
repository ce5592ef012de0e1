"""Tokens of the gateway beside the administrator's: a name, what it may do, and its digest; never the token.

    token = issue(home, "phone", {"predict", "data"})   # shown once, kept nowhere
    read(home)                                          # [Token("phone", {"predict", "data"}, "9f86…")]
    revoke(home, "phone")

They are lines `name:scopes:sha256`, in a file of the home folder and in the setting `gateway_tokens`.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast, get_args

from binocular.errors import ConflictError, NotFoundError, SettingError

Scope = Literal["predict", "data", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
MEANINGS: Final[dict[Scope, str]] = {
    "predict": "ask for predictions",
    "data": "correct predictions and give images",
    "admin": "everything: trainings and versions too",
}
# The token that was there first: `gateway_token`, or the file that the gateway makes.
ADMIN: Final = "admin"
FILE = "gateway-tokens"
BYTES = 32
SYNTAX = "name:scopes:sha256, the scopes joined by '+'"
_NAME = r"[a-z0-9][a-z0-9-]{0,62}"
_LINE = re.compile(rf"(?P<name>{_NAME}):(?P<scopes>[a-z]+(?:\+[a-z]+)*):(?P<sha256>[0-9a-f]{{64}})")


@dataclass(frozen=True)
class Token:
    """What is known of a token."""

    name: str
    scopes: frozenset[Scope]
    sha256: str

    def line(self) -> str:
        """As it is kept."""
        return f"{self.name}:{'+'.join(scope for scope in SCOPES if scope in self.scopes)}:{self.sha256}"


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def parse(text: str) -> list[Token]:
    """Tokens out of lines, or commas between them; SettingError names the first that is none."""
    found: dict[str, Token] = {}
    for line in filter(None, (each.strip() for each in text.replace(",", "\n").splitlines())):
        fits = _LINE.fullmatch(line)
        scopes = frozenset(fits["scopes"].split("+")) if fits else frozenset()
        if not fits or scopes - set(SCOPES) or fits["name"] == ADMIN or fits["name"] in found:
            # Not the line: somebody may have put the token itself there.
            raise SettingError(
                f"entry {len(found) + 1} is no token: {SYNTAX} was expected, each name once and not {ADMIN!r},"
                f" scopes of {', '.join(SCOPES)}"
            )
        found[fits["name"]] = Token(fits["name"], cast("frozenset[Scope]", scopes), fits["sha256"])
    return list(found.values())


def read(home: Path) -> list[Token]:
    """The tokens of a home folder; none where there is no file."""
    path = home / FILE
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (SettingError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: {error}") from None


def issue(home: Path, name: str, scopes: frozenset[Scope]) -> str:
    """Make a token and keep its digest: the token, which nobody can be shown again."""
    if name == ADMIN or not re.fullmatch(_NAME, name):
        raise SettingError(
            f"{name[:100]!r} cannot name a token: use 1 to 63 of a-z, 0-9 and '-', with no '-' in front, and not"
            f" {ADMIN!r}"
        )
    token = secrets.token_urlsafe(BYTES)
    [new] = parse(Token(name, scopes, digest(token)).line())
    with _changed(home) as tokens:
        if name in {each.name for each in tokens}:
            raise ConflictError(f"there is a token {name!r} already; take it back first, or choose another name")
        tokens.append(new)
    return token


def revoke(home: Path, name: str) -> None:
    """Take a token back: from the next request on it opens nothing."""
    with _changed(home) as tokens:
        left = [each for each in tokens if each.name != name]
        if len(left) == len(tokens):
            raise NotFoundError(f"there is no token {name!r} in {home / FILE}; `binocular tokens` lists them")
        tokens[:] = left


@contextmanager
def _changed(home: Path) -> Iterator[list[Token]]:
    """The tokens of a home folder to be changed, by one process at a time; readers see them before or after."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / FILE
    with (home / f".{FILE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tokens = read(home)
        yield tokens
        draft = home / f".{FILE}.new"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text("".join(f"{each.line()}\n" for each in tokens), encoding="utf-8")
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
