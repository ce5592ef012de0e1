"""Tokens as they are kept: digests in lines, one process at a time, and nothing that is no such line."""

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from binocular import cli_tokens, tokens
from binocular.errors import ConflictError, NotFoundError, SettingError
from binocular.settings import Settings

SHA256 = "0" * 64


def test_only_the_digest_is_kept_and_for_the_owner_alone(tmp_path: Path) -> None:
    token = tokens.issue(tmp_path, "phone", frozenset({"data", "predict"}))
    kept = (tmp_path / tokens.FILE).read_text()
    assert kept == f"phone:predict+data:{hashlib.sha256(token.encode()).hexdigest()}\n"
    assert token not in kept
    assert len(token) > 40
    assert stat.S_IMODE((tmp_path / tokens.FILE).stat().st_mode) == 0o600


def test_what_is_taken_back_is_gone_and_the_others_are_not(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tokens.issue(tmp_path, name, frozenset({"data"}))
    with pytest.raises(ConflictError, match="already"):
        tokens.issue(tmp_path, "a", frozenset({"admin"}))
    tokens.revoke(tmp_path, "a")
    assert [each.name for each in tokens.read(tmp_path)] == ["b"]
    with pytest.raises(NotFoundError, match="no token 'a'"):
        tokens.revoke(tmp_path, "a")


def test_of_many_made_at_once_none_is_lost(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: tokens.issue(tmp_path, f"t{n}", frozenset({"predict"})), range(30)))
    assert {each.name for each in tokens.read(tmp_path)} == {f"t{n}" for n in range(30)}


@pytest.mark.parametrize(
    "text",
    [
        "secret-token-itself",
        f"admin:data:{SHA256}",
        f"a:data:{SHA256},a:admin:{SHA256}",
        f"a:root:{SHA256}",
        f"a::{SHA256}",
        f"A b:data:{SHA256}",
        "a:data:12",
        f"a:data:{'F' * 64}",
        f"a:data:{SHA256}:x",
    ],
)
def test_a_line_that_is_no_token_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingError) as caught:
        tokens.parse(text)
    assert text not in str(caught.value)
    (tmp_path / tokens.FILE).write_text(text)
    with pytest.raises(SettingError, match=tokens.FILE):
        tokens.read(tmp_path)


@pytest.mark.parametrize("name", ["Phone", "", "admin", "-a", "a" * 64, f"a:data:{SHA256},b"])
def test_a_name_that_no_line_could_hold_is_refused_with_what_may_be_in_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match="cannot name a token: use 1 to 63"):
        tokens.issue(tmp_path, name, frozenset({"data"}))


def test_lines_and_commas_both_part_tokens() -> None:
    found = tokens.parse(f"\na:predict:{SHA256}, b:data+predict:{SHA256}\n\nc:admin:{SHA256}\n")
    assert [each.line().rpartition(":")[0] for each in found] == ["a:predict", "b:predict+data", "c:admin"]


def test_the_commands_make_list_and_take_back(tmp_path: Path) -> None:
    kept = SecretStr(f"ci:admin:{SHA256}")
    settings, runner = Settings(home=tmp_path, gateway_tokens=kept), CliRunner()
    made = runner.invoke(cli_tokens.issue, ["phone", "--scope", "data", "--scope", "predict"], obj=settings)
    token = made.stdout.strip()
    assert tokens.digest(token) in (tmp_path / tokens.FILE).read_text()
    assert f"phone:predict+data:{tokens.digest(token)}" in made.stderr
    listed = runner.invoke(cli_tokens.show, obj=settings).stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["admin", "phone", "ci"]
    assert "predict, data" in listed
    assert token not in listed
    assert runner.invoke(cli_tokens.revoke, ["phone"], obj=settings).exit_code == 0
    assert tokens.read(tmp_path) == []
