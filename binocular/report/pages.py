"""The pages that steps write: each is one file that asks nobody for anything, with no script and no request.

    page = render(Path(__file__).parent, "page.html.j2", report=report)

A step's template extends `report/base.html.j2`, which has the look of all of them, and may import the macros of
`report/figures.html.j2`. Everything is escaped: names of files and classes are strangers' text.
"""

from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from binocular.report.words import percent, printable, shortened

MOST_CHARACTERS = 64


def render(folder: Path, template: str, **values: object) -> str:
    """The page that the template of a step's folder makes of these values."""
    shared = PrefixLoader({"report": FileSystemLoader(Path(__file__).parent)})
    environment = Environment(
        loader=ChoiceLoader([shared, FileSystemLoader(folder)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"short": short, "percent": percent}
    return str(environment.get_template(template).render(values))


def short(text: str, most: int = MOST_CHARACTERS) -> str:
    """A stranger's text that fits its place on a page, without bytes that nothing can write."""
    return printable(shortened(text, most))
