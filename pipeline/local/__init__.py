"""The Kubeflow Pipelines API on one machine: compiled packages, executed by subprocesses.

`python -m pipeline.local` serves it; `docs/pipelines.md` says what works as on a cluster and what is refused.
The middle is functions of values (`package`, `conditions`, `placeholders`, `plan`, `cache`, `listing`,
`schedule`); processes, files, the object store and the database are at the edges (`task`, `artifacts`,
`records`, `engine`, `api`).
"""
