"""The model card: what a person wants to know of a version before trusting it, in Hugging Face's format."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from binocular.bundle import TOLERANCE, Bundle

TEMPLATE = "card.md.j2"
# What would break out of a table's cell or become markup.
_MARKUP = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>#|"})


def render_card(facts: Bundle) -> str:
    """The card as Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - Markdown, whose marks `plain` escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda text: str(text).translate(_MARKUP)
    return environment.get_template(TEMPLATE).render(
        facts=facts,
        snapshot=facts.snapshot.digest if facts.snapshot else "unpublished",
        because={choice.name: choice.because for choice in facts.chosen},
        tolerance=f"{TOLERANCE:g}",
    )
