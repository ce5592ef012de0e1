"""The Kubeflow Pipelines API on one machine: compiled packages, executed by subprocesses."""
