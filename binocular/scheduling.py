"""Trainings at set times: one recurring run of the pipelines API for each model, brought to what is wanted.

    schedule(settings, "0 0 3 * * *", {"epochs": "3"})     # every night at three; done again, it changes nothing
    unschedule(settings)

The pipelines API makes the runs, also while nothing else of ours is up. It is our recurring run by its name, and
the right one by its times, by what runs are told, and by its description, which holds the digest of the package.
Nothing longer fits there: on a cluster a description has 255 characters.
"""

import contextlib
import ctypes
import hashlib
import json
import signal
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from binocular.errors import BinocularError, NotFoundError, RequestError, in_words
from binocular.pipelines import Theirs
from binocular.runs import Runs, typed
from binocular.settings import Settings, variable

ENABLED = "ENABLED"
NAME = "name"
AGAIN_S = 5.0
PR_SET_PDEATHSIG = 1


def schedule(settings: Settings, cron: str, parameters: Mapping[str, str] | None = None) -> bool:
    """Let a training be started at these times, six fields of cron from the seconds on; whether that was new.

    Without parameters it is told what those were told that are scheduled already.
    """
    if NAME in (parameters or {}):
        raise RequestError(f"{NAME!r} is {variable('model_name')}'s to say, {settings.model_name!r}")
    package = package_of(settings)
    runs, found = Runs(settings), scheduled(settings)
    if parameters is None:
        parameters = told(found[0]) if found else {}
    texts = {**parameters, NAME: settings.model_name}
    values = typed(package, texts)
    described = f"by Binocular, package {hashlib.sha256(package.read_bytes()).hexdigest()}"
    wanted = (ENABLED, cron, described, values)
    right = [each for each in found if (each.status, times(each), each.description, _values(each)) == wanted]
    if not right:
        runs.repeat(package, texts, _name(settings), cron=cron, description=described)
    for each in found:
        if each not in right[:1]:
            runs.repeat_no_more(each.recurring_run_id)
    return not right


def unschedule(settings: Settings) -> int:
    """Let no training be started at set times any more; how many recurring runs that ended."""
    runs, found = Runs(settings), scheduled(settings)
    for each in found:
        runs.repeat_no_more(each.recurring_run_id)
    return len(found)


def scheduled(settings: Settings) -> list[Theirs]:
    """Our recurring runs of the model: one, none, or more where two made one at once."""
    return Runs(settings).repeated(_name(settings))


def times(recurring: Theirs) -> str:
    """When a recurring run is due, as cron says it; nothing where it is due at intervals."""
    cron = recurring.trigger.cron_schedule if recurring.trigger else None
    return str(cron.cron) if cron else ""


def told(recurring: Theirs) -> dict[str, str]:
    """The parameters of a recurring run of ours, as texts, without the model's name."""
    values = _values(recurring)
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in sorted(values.items())
        if name != NAME
    }


def _values(recurring: Theirs) -> dict[str, Any]:
    config = recurring.runtime_config
    return dict((config and config.parameters) or {})


def package_of(settings: Settings) -> Path:
    """The compiled pipeline that trainings run: the one that is named, or ours."""
    return settings.gateway_package or own_package()


def own_package() -> Path:
    """The compiled pipeline of this project, found without importing it: this library imports no part."""
    spec = find_spec("pipeline")
    if spec is None or not spec.submodule_search_locations:
        raise NotFoundError(
            "the package `pipeline` is not installed; name a compiled pipeline instead, for trainings in"
            f" {variable('gateway_package')}"
        )
    return Path(spec.submodule_search_locations[0], "pipeline.yaml")


def _name(settings: Settings) -> str:
    return f"scheduled retraining of {settings.model_name}"


def _main() -> None:
    """What the gateway starts: schedule as the settings say, once the API answers. It ends with the gateway."""
    with contextlib.suppress(AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    told: dict[str, Any] = json.load(sys.stdin)
    settings = Settings(**told)
    while True:
        try:
            schedule(settings, settings.gateway_retrain_cron)
        except (BinocularError, OSError) as error:
            print(f"trainings are not scheduled yet: {in_words(error)}", file=sys.stderr)
            time.sleep(AGAIN_S)
        else:
            return


if __name__ == "__main__":
    _main()
