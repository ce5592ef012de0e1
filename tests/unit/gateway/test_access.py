"""Who may make which call: tokens with scopes, in the settings and in the home folder."""

import logging
from pathlib import Path
from typing import Any

import pytest
from flask import Request
from pydantic import SecretStr

from binocular import tokens
from binocular.settings import Settings
from gateway import create_app
from gateway.access import Caller
from gateway.services import EXTENSION

CALLS = {"predict": "/v1/predict", "data": "/v1/feedback", "admin": "/v1/models/1/promote"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A gateway with a token of each scope, which is the scope's name, and an administrator's."""
    lines = "\n".join(f"{scope}-only:{scope}:{tokens.digest(scope)}" for scope in tokens.SCOPES)
    return Settings(home=tmp_path, gateway_token=SecretStr("first"), gateway_tokens=SecretStr(lines))


def asked(client: Any, scope: str, token: str) -> Any:
    """How a call of a scope is answered; what is let in is refused for what it says."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(CALLS[scope], data=b"x", content_type="text/plain", headers=headers)


@pytest.mark.parametrize(
    ("token", "opens"),
    [
        ("predict", {"predict"}),
        ("data", {"data"}),
        ("admin", {"predict", "data", "admin"}),
        ("first", {"predict", "data", "admin"}),
        ("", set()),
        ("wrong", set()),
    ],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_token_opens_the_calls_of_its_scopes(
    settings: Settings, token: str, opens: set[str], *, is_open: bool
) -> None:
    client = create_app(settings.model_copy(update={"gateway_open_predict": is_open})).test_client()
    for scope in CALLS:
        answer = asked(client, scope, token)
        if scope in opens or (is_open and scope == "predict"):
            assert answer.status_code == 415, scope
        elif token in {"", "wrong"}:
            assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")
        else:
            assert (answer.status_code, answer.json["code"], answer.json["scope"]) == (403, "forbidden", scope)


def test_a_token_that_is_made_or_taken_back_counts_at_once(settings: Settings) -> None:
    client = create_app(settings).test_client()
    token = tokens.issue(settings.home, "phone", frozenset({"data"}))
    assert asked(client, "data", token).status_code == 415
    tokens.issue(settings.home, "other", frozenset({"data"}))
    assert asked(client, "data", token).status_code == 415
    tokens.revoke(settings.home, "phone")
    assert asked(client, "data", token).status_code == 401


def test_tokens_that_cannot_be_read_open_nothing(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    client = create_app(settings).test_client()
    token = tokens.issue(settings.home, "phone", frozenset({"data"}))
    with (settings.home / tokens.FILE).open("a") as file:
        file.write("nonsense\n")
    assert asked(client, "data", token).status_code == 401
    assert asked(client, "data", "first").status_code == 415
    assert "open nothing" in caplog.text


def test_the_log_names_the_caller_and_never_the_token(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    client = create_app(settings).test_client()
    with caplog.at_level(logging.INFO, "gateway.access"):
        asked(client, "data", "data")
        asked(client, "data", "wrong")
    told = [record for record in caplog.records if record.name == "gateway.access"]
    assert [vars(record).get("caller") for record in told] == ["data-only", None]
    assert "Bearer" not in str([vars(record) for record in told])


def test_there_may_be_another_way_in(settings: Settings) -> None:
    app = create_app(settings)

    def by_cookie(request: Request) -> Caller | None:
        return Caller("session", frozenset({"data"})) if request.cookies.get("in") else None

    app.extensions[EXTENSION].door.ways.append(by_cookie)
    client = app.test_client()
    client.set_cookie("in", "yes")
    assert asked(client, "data", "").status_code == 415
    assert asked(client, "admin", "").status_code == 403
    assert asked(client, "admin", "first").status_code == 415
