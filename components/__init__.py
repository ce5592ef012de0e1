"""The steps of the pipeline, a folder each: the contract with Kubeflow in `component.py`, the work beside it."""

# The image that all steps run in. Compiling the pipeline adds the tag of the sources it is built from.
IMAGE = "binocular-components"
BASE_IMAGE = "python:3.11-slim"
