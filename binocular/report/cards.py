"""Cards in Hugging Face's format: Markdown for people under YAML for programs.

    text = card(Path(__file__).parent, "card.md.j2", {"tags": ["binocular"]}, facts=facts)

What strangers named is quoted by YAML in the front matter, and escaped by the filter `plain` in the text.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from binocular.report.words import printable

# What would break out of a table's cell or become markup.
_MARKUP = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>#|"})


def card(folder: Path, template: str, told: Mapping[str, object], **values: object) -> str:
    """The card that the template of a step's folder makes of these values, under what programs are told."""
    front = yaml.safe_dump(dict(told), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{front}---\n{markdown(folder).get_template(template).render(values)}"


def markdown(folder: Path) -> Environment:
    """An environment for templates of Markdown, with the filters `plain` for words of strangers, and `share`."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=False,  # noqa: S701 - Markdown, whose marks `plain` escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": lambda text: printable(str(text)).translate(_MARKUP), "share": _share}
    return environment


def _share(value: float | None) -> str:
    """A figure of a table; one that is not defined is a dash."""
    return "-" if value is None else f"{value:.4f}"
