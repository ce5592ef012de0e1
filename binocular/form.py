"""What is known of a package's parameters beside the package, for whoever asks a person for them.

A compiled package has names, types, defaults and descriptions. Groups, choices and limits are in a file beside it,
where whoever compiled it wrote one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from binocular.errors import IntegrityError, RequestError

FORM = ".form.json"


def beside(package: Path) -> dict[str, dict[str, Any]]:
    """What is known of each parameter, in the order of a form; nothing where there is no such file."""
    path = package.with_suffix(FORM)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (ValueError, TypeError):
        raise IntegrityError(f"{path} is damaged: compile the pipeline again") from None


def refuse_no_choice(package: Path, parameters: Mapping[str, object]) -> None:
    """RequestError where a parameter is none of its choices: its step would say so too, after those before it."""
    for name, known in beside(package).items():
        among = known.get("choices")
        if among and name in parameters and parameters[name] not in among:
            raise RequestError(f"parameter {name} is {parameters[name]!r}; it must be one of {', '.join(among)}")
