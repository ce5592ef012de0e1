"""The steps of the pipeline, a folder each: the contract with Kubeflow in `component.py`, the work beside it."""

# The image that all steps run in. Compiling the pipeline adds the tag of the sources it is built from.
IMAGE = "binocular-components"
BASE_IMAGE = "python:3.11-slim"


def wake_tensorflow() -> None:
    """Import tensorflow, which takes seconds, without its greetings: they would bury a step's own events."""
    from binocular.logs import hushed  # noqa: PLC0415

    with hushed():
        import tensorflow as tf  # noqa: PLC0415

        tf.config.list_physical_devices()
