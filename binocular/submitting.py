"""Starting a run in a process of its own, which takes the weight of kfp's client along when it ends.

`python -m binocular.submitting` reads what to start as JSON and answers with the run's id, or why there is none.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from binocular import errors
from binocular.errors import BinocularError, PipelinesUnavailableError
from binocular.settings import Settings

# Beside the time that the API may take: Python's and kfp's own to start.
START_S = 60
OURS = {name for name in Settings.model_fields if name.startswith("kfp_")}


def submit(settings: Settings, package: Path, parameters: Mapping[str, str], name: str) -> str:
    """What `Runs.submit` does, elsewhere: the id of the run."""
    told = {
        "settings": settings.model_dump(mode="json", include=OURS),
        "package": str(package),
        "parameters": dict(parameters),
        "name": name,
    }
    try:
        ended = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(told),
            capture_output=True,
            text=True,
            timeout=START_S + settings.kfp_timeout_s,
            check=False,
        )
        answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise PipelinesUnavailableError("the run was not started in time") from None
    except (IndexError, ValueError):
        raise PipelinesUnavailableError(
            f"starting a run ended with {ended.returncode}: {ended.stderr[-500:]}"
        ) from None
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["message"])
    return str(answer["run_id"])


def _main() -> dict[str, str]:
    from binocular.runs import Runs  # noqa: PLC0415 - which imports this

    told = json.load(sys.stdin)
    try:
        runs = Runs(Settings(**told["settings"]))
        return {"run_id": runs.submit(Path(told["package"]), told["parameters"], told["name"])}
    except BinocularError as error:
        return {"error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    print(json.dumps(_main()))
