"""Sessions of browsers: who gets in with a cookie, from where, for how long."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from binocular import tokens
from binocular.settings import Settings
from gateway import create_app
from gateway.sessions import COOKIE, Sessions

TOKEN = "the administrator's"  # noqa: S105
OURS = {"X-Binocular": "dashboard"}
# What a browser adds by itself, and no page can change.
SAME_SITE = {**OURS, "Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A gateway without anything behind it; asking to end a run goes through the door first."""
    return Settings(home=tmp_path, gateway_token=SecretStr(TOKEN), gateway_session_hours=2)


@pytest.fixture
def client(settings: Settings) -> Any:
    """A browser."""
    return create_app(settings).test_client()


def sign_in(client: Any, token: str = TOKEN, **headers: str) -> Any:
    return client.post("/session", json={"token": token}, headers={**SAME_SITE, **headers})


def change(client: Any, **headers: str) -> int:
    """Try to change something: 400 is what comes behind the door."""
    answer = client.post("/v1/feedback", data="no json", content_type="application/json", headers=headers)
    return int(answer.status_code)


def test_a_token_opens_a_session_that_a_script_cannot_read(client: Any) -> None:
    assert client.get("/session").json == {"signed_in": False, "scopes": []}
    answer = sign_in(client)
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    found = client.get("/session").json
    assert (found["signed_in"], found["name"], found["scopes"]) == (True, "admin", ["predict", "data", "admin"])
    left = datetime.fromisoformat(found["ends_at"]) - datetime.now(UTC)
    assert timedelta(hours=1.9) < left <= timedelta(hours=2)
    assert change(client, **SAME_SITE) == 400
    client.delete("/session")
    assert client.get("/session").json["signed_in"] is False
    assert change(client, **SAME_SITE) == 401


def test_over_https_the_cookie_stays_there(client: Any) -> None:
    assert "; Secure" in sign_in(client, **{"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]


def test_a_wrong_token_opens_nothing(client: Any) -> None:
    for token in ("", "wrong", TOKEN + "x"):
        answer = sign_in(client, token)
        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},  # a form cannot add ours
        {**OURS, "Sec-Fetch-Site": "cross-site"},
        {**OURS, "Sec-Fetch-Site": "same-site"},
        {**OURS, "Sec-Fetch-Site": "none"},
        {**OURS, "Origin": "http://evil.example"},
        {**OURS, "Origin": "null"},
        {**OURS, "Origin": "http://localhost:1"},
        {"X-Binocular": "other", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_another_sites_page_can_neither_use_a_session_nor_open_one(client: Any, headers: dict[str, str]) -> None:
    sign_in(client)
    assert change(client, **headers) == 401
    assert client.post("/session", json={"token": TOKEN}, headers=headers).status_code == 401


def test_tokens_cannot_be_guessed_one_after_another(client: Any) -> None:
    statuses = [sign_in(client, f"guess {n}").status_code for n in range(12)]
    assert statuses[:10] == [401] * 10
    assert 429 in statuses[10:]
    answer = sign_in(client)
    assert (answer.status_code, answer.json["code"]) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_form_of_another_site_cannot_sign_in(client: Any) -> None:
    answer = client.post("/session", data={"token": TOKEN}, headers=SAME_SITE)
    assert answer.status_code == 415


def test_an_old_browser_that_tells_no_origin_may_change_something(client: Any) -> None:
    sign_in(client)
    assert change(client, **OURS) == 400


def test_a_session_ends_with_its_time(client: Any, monkeypatch: Any) -> None:
    sign_in(client)
    now = datetime.now(UTC).timestamp()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 2 * 3600 + 5)
    assert client.get("/session").json["signed_in"] is False
    assert change(client, **SAME_SITE) == 401


def test_a_session_that_was_tampered_with_is_none(client: Any) -> None:
    cookie = re.match(rf"{COOKIE}=([^;]+)", sign_in(client).headers["Set-Cookie"])
    assert cookie
    # The last character of the signature has bits that mean nothing; the one before has none.
    begun, tampered, last = cookie[1][:-2], cookie[1][-2], cookie[1][-1]
    forged = begun + ("A" if tampered != "A" else "B") + last
    for value in (forged, "a.b.c", "", "ü", tokens.digest(TOKEN)):
        client.set_cookie(COOKIE, value)
        assert client.get("/session").json["signed_in"] is False


def test_a_session_does_not_outlive_its_token(settings: Settings, client: Any) -> None:
    token = tokens.issue(settings.home, "phone", frozenset({"data"}))
    sign_in(client, token)
    assert client.get("/session").json["scopes"] == ["data"]
    assert change(client, **SAME_SITE) == 400
    forbidden = client.post("/v1/retrain", headers=SAME_SITE)
    assert (forbidden.status_code, forbidden.json["code"]) == (403, "forbidden")
    tokens.revoke(settings.home, "phone")
    assert change(client, **SAME_SITE) == 401


def test_a_new_administrators_token_ends_every_session(settings: Settings, client: Any) -> None:
    sign_in(client)
    value = client.get_cookie(COOKIE)
    assert value
    other: Any = create_app(settings.model_copy(update={"gateway_token": SecretStr("another one")})).test_client()
    other.set_cookie(COOKIE, value.value)
    assert other.get("/session").json["signed_in"] is False
    same: Any = create_app(settings).test_client()
    same.set_cookie(COOKIE, value.value)
    assert same.get("/session").json["signed_in"] is True


def test_sessions_know_nothing_of_a_request_without_a_cookie(settings: Settings) -> None:
    app = create_app(settings)
    found: Sessions = app.extensions["binocular"].sessions
    with app.test_request_context("/session"):
        from flask import request  # noqa: PLC0415

        assert found.of(request) is None
