"""Where the artifacts of a run lie in the store: the pages and files that its steps wrote.

    there, key = artifacts.find(store, run, flow.name, node, decision, "report")

The embedded pipelines API says it with each step. A Kubeflow does not; there it stands in the decision, which the
run's last step puts on record, or else the artifact is looked for where Kubeflow keeps what a step writes, if that
is a bucket of this store.
"""

from typing import Any

from binocular.errors import NotFoundError
from binocular.flow import Node
from binocular.registry import Decision
from binocular.runs import Step
from binocular.settings import variable
from binocular.store import Store

# Below the bucket, unless a run says otherwise.
ROOT = "v2/artifacts"
# What the decision calls an artifact: step, artifact → name.
DECIDED = {
    ("train", "curves"): "curves",
    ("validate", "report"): "data_report",
    ("evaluate", "report"): "report",
    ("evaluate", "evaluation"): "evaluation",
}
Place = tuple[Store, str]


def find(store: Store, run: Any, pipeline: str, step: Step | Node, decision: Decision | None, name: str) -> Place:  # noqa: ANN401
    """The store and key of an artifact (of a folder, its prefix); NotFoundError where none is to be found."""
    told = step.outputs.get(name, "") if isinstance(step, Step) else ""
    noted = decision.artifacts.get(DECIDED.get((step.name, name), ""), "") if decision else ""
    for uri in (told, noted):
        if "://" in uri:
            return store.at(uri)
    root = (
        run.runtime_config.pipeline_root if run.runtime_config else ""
    ) or f"s3://{store.endpoint.bucket}/{ROOT}"
    there, above = store.at(root)
    prefix = f"{above.rstrip('/')}/{pipeline}/{run.run_id}/{step.name}/"
    found = [entry for entry in there.entries(prefix) if f"/{name}" in entry.key.removeprefix(prefix)]
    for entry in sorted(found, key=lambda entry: str(entry.modified), reverse=True):
        execution, _, inside = entry.key.removeprefix(prefix).partition("/")
        if inside == name or inside.startswith(f"{name}/"):
            return there, f"{prefix}{execution}/{name}"
    raise NotFoundError(
        f"{step.name} of run {run.run_id} has no {name} in the store: it has not come so far, or Kubeflow keeps it"
        f" outside the bucket {variable('store_bucket')} names"
    )
