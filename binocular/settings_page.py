"""The settings as a reference page: `docs/settings.md` is this, and CI compares the two."""

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from binocular.settings import DOTENV, PREFIX, TOML, Settings, expected, variable

HEAD = f"""# Settings

Each is an environment variable; the same names may stand in `{DOTENV}`, and without `{PREFIX}` and in small
letters in `{TOML}`, both in the folder where a command runs. The environment wins over `{DOTENV}`, and that
over `{TOML}`. An empty variable counts as not set. `binocular settings` shows the values in force and where
each came from.

| variable | accepts | default | meaning |
|---|---|---|---|
"""


def render() -> str:
    """The page, in Markdown."""
    return HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split())
    return f"| `{variable(name)}` | {expected(field)} | {_default(field)} | {meaning} |\n"


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    return "" if isinstance(value, SecretStr) or value in {None, ""} else f"`{value}`"
