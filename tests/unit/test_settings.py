from pathlib import Path

import pytest
from pydantic import SecretStr

from binocular.errors import SettingError
from binocular.settings import PREFIX, Settings, as_environment, load, unknown_variables, variable


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


def test_every_setting_has_a_meaning_and_a_default() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert Settings().store_port == 9000


def test_environment_wins_over_dotenv_and_that_over_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "binocular.toml").write_text(
        'store_port = 9100\nstore_bucket = "from-toml"\nlog_level = "error"\n'
    )
    (tmp_path / ".env").write_text("BINOCULAR_STORE_BUCKET=from-dotenv\nBINOCULAR_STORE_PORT=9200\nOTHER=x\n")
    monkeypatch.setenv("BINOCULAR_STORE_PORT", "9300")

    settings = load(tmp_path)

    assert (settings.store_port, settings.origin("store_port")) == (9300, "environment")
    assert (settings.store_bucket, settings.origin("store_bucket")) == ("from-dotenv", ".env")
    assert (settings.log_level, settings.origin("log_level")) == ("error", "binocular.toml")
    assert (settings.log_format, settings.origin("log_format")) == ("text", "default")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINOCULAR_STORE_PORT", "")

    assert load(tmp_path).store_port == 9000


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("store_port", "abc", "a whole number from 1024 to 55000"),
        ("store_port", "80", "a whole number from 1024 to 55000"),
        ("store_timeout_s", "0", "a number above 0 to 600"),
        ("log_level", "loud", "one of debug, info, warning, error"),
        ("store_url", "minio:9000", "http(s)://host:port, or nothing"),
        ("store_url", "http://user:word@host", "http(s)://host:port, or nothing"),
        ("store_url", "http://host/path", "http(s)://host:port, or nothing"),
        ("store_url", "http://host:port", "http(s)://host:port, or nothing"),
        ("store_bucket", "Not A Bucket", "3 to 63 of a-z, 0-9, '.' and '-'"),
        ("store_ca_file", "/does/not/exist.pem", "the path of a file that exists"),
    ],
)
def test_a_wrong_value_is_one_line_with_what_came_and_what_was_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable(name), value)

    with pytest.raises(SettingError) as caught:
        load(tmp_path)

    assert str(caught.value) == f"{variable(name)}: got {value!r} (from environment), expected {expected}"


def test_every_wrong_value_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "binocular.toml").write_text('store_port = "x"\nlog_level = "loud"\n')

    with pytest.raises(SettingError) as caught:
        load(tmp_path)

    assert len(str(caught.value).splitlines()) == 2
    assert "from binocular.toml" in str(caught.value)


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "binocular.toml").write_text("store_secret_key = 31337\n")

    with pytest.raises(SettingError, match="STORE_SECRET_KEY") as caught:
        load(tmp_path)

    assert "31337" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (".env", "BINOCULAR_STORE_PROT=1\n", "did you mean store_port?"),
        ("binocular.toml", "store_prot = 1\n", "store_prot is not a setting; did you mean store_port?"),
        ("binocular.toml", "store_port = \n", "not valid TOML"),
        ("binocular.toml", "zzz = 1\n", "zzz is not a setting"),
        (".env", "BINOCULAR_MODEL_NAME=caf\xe9\n", "not in UTF-8"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text, encoding="latin-1")

    with pytest.raises(SettingError) as caught:
        load(tmp_path)

    assert message in str(caught.value)
    assert file in str(caught.value)


def test_an_unknown_variable_is_reported_and_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINOCULAR_STATION_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("BINOCULAR_STORE_PROT", "1")

    load(tmp_path)

    assert unknown_variables() == [
        "BINOCULAR_STATION_SERVICE_HOST is not a setting",
        "BINOCULAR_STORE_PROT is not a setting; did you mean BINOCULAR_STORE_PORT?",
    ]


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = Settings(store_secret_key=SecretStr("hunter2"))

    assert settings.shown("store_secret_key") == "********"
    assert "hunter2" not in f"{settings!r} {settings}"


def test_home_is_fixed_to_the_folder_where_the_command_ran(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert load().home == tmp_path / ".binocular"


def test_the_prefix_is_part_of_every_variable() -> None:
    assert variable("store_port") == f"{PREFIX}STORE_PORT"


def test_another_process_elsewhere_can_be_given_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("BINOCULAR_STORE_URL=http://127.0.0.1:9\nBINOCULAR_STORE_SECRET_KEY=hunter2\n")
    (tmp_path / "binocular.toml").write_text('store_parallel = 3\nmodel_public_keys = "keys.pem"\n')
    (tmp_path / "keys.pem").touch()
    monkeypatch.chdir(tmp_path)
    settings = load()
    given = as_environment(settings)
    names = ("home", "store_url", "store_secret_key", "store_parallel", "model_public_keys")
    assert set(given) == {variable(name) for name in names}

    for name, value in given.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert load().model_dump() == settings.model_dump()
