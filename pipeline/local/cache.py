"""The fingerprint of a step, by which an earlier one's outputs stand in for doing it again.

As on a cluster it covers the pipeline, the image and command, the environment that the pipeline sets, the input
parameters, which artifacts come in, and what is to come out. It sees neither new data behind an unchanged URI nor
code that changed behind an unchanged command: switch caching off for the run or the task where that matters.
"""

import hashlib
import json

from pipeline.local.package import Package
from pipeline.local.plan import Step
from pipeline.local.values import normal


def fingerprint(package: Package, step: Step) -> str | None:
    """The step's fingerprint, or None where it must not be cached."""
    container = package.executor(step.component).get("container")
    if container is None or not step.may_cache:
        return None
    if key := step.task.get("cachingOptions", {}).get("cacheKey"):
        return hashlib.sha256(f"key\0{package.name}\0{key}".encode()).hexdigest()
    known = step.component.get("inputDefinitions", {}).get("parameters", {})
    seen = {
        "pipeline": package.name,
        "image": container.get("image"),
        "command": [*container["command"], "\0", *container.get("args", [])],
        "environment": container.get("env", []),
        "parameters": {key: normal(value) for key, value in step.inputs.parameters.items() if key in known},
        "artifacts": {key: [each["uri"] for each in some] for key, some in step.inputs.artifacts.items()},
        "outputs": step.component.get("outputDefinitions", {}),
    }
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
