"""The manifests as tests read them: what is checked in under manifests/rendered, object by object."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from manifests.render import RENDERED

Object = dict[str, Any]
RENDERS = sorted(RENDERED.glob("*.yaml"))
POD_OWNERS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}


@cache
def objects(render: Path) -> list[Object]:
    """Everything in one render."""
    return [found for found in yaml.load_all(render.read_text(), yaml.CSafeLoader) if found]


def called(thing: Object) -> str:
    """What an object is called in a failure."""
    return f"{thing['kind']}/{thing['metadata']['name']}"


def of_kind(render: Path, *kinds: str) -> list[Object]:
    """The objects of some kinds."""
    return [each for each in objects(render) if each["kind"] in kinds]


def named(render: Path, kind: str, name: str, namespace: str = "binocular") -> Object:
    """One object."""
    (found,) = (
        each
        for each in of_kind(render, kind)
        if each["metadata"]["name"] == name and each["metadata"].get("namespace", namespace) == namespace
    )
    return found


def pods(render: Path) -> Iterator[tuple[str, Object]]:
    """The specification of every pod that comes of a render, with the name of what makes it."""
    for each in objects(render):
        if each["kind"] in POD_OWNERS:
            yield called(each), each["spec"]["template"]["spec"]
        elif each["kind"] == "InferenceService":
            yield called(each), each["spec"]["predictor"]


def containers(render: Path) -> Iterator[tuple[str, Object]]:
    """Every container of every pod."""
    for owner, pod in pods(render):
        for each in [*pod["containers"], *pod.get("initContainers", [])]:
            yield f"{owner}/{each['name']}", each
