import sys

import click
import pytest

from binocular import commands
from binocular.errors import SettingError


def ended(monkeypatch: pytest.MonkeyPatch, error: BaseException, *arguments: str) -> object:
    """The exit code of a command that fails in this way."""

    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["fail", *arguments])
    with pytest.raises(SystemExit) as exit_:
        commands.run(fail, "fail")
    return exit_.value.code


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SettingError("too high: lower it"), 2, "fail: too high: lower it"),
        (OSError(28, "No space left on device", "/data/x"), 1, "fail: /data/x: No space left on device"),
        (KeyboardInterrupt(), 130, "fail: interrupted"),
        (ZeroDivisionError("by\nzero"), 70, "fail: a fault of ours: ZeroDivisionError: by zero;"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, error) == code
    out, err = capsys.readouterr()
    # After ^C click begins a new line.
    assert (out, err.strip().startswith(line), err.strip().count("\n")) == ("", True, 0)


def test_debug_shows_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, ZeroDivisionError(), "--debug") == 70
    assert "in fail" in capsys.readouterr().err
