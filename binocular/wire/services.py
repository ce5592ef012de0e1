"""TensorFlow Serving's gRPC services: which methods there are, and where each is called."""

from collections.abc import Mapping

from google.protobuf.descriptor import MethodDescriptor

from binocular.wire.messages import POOL

_PACKAGE = "tensorflow.serving"


def methods(service: str) -> Mapping[str, MethodDescriptor]:
    """The methods of `PredictionService` or `ModelService`."""
    found: Mapping[str, MethodDescriptor] = POOL.FindServiceByName(f"{_PACKAGE}.{service}").methods_by_name
    return found


def path(service: str, method: str) -> str:
    """Where a method is called."""
    return f"/{_PACKAGE}.{service}/{method}"
