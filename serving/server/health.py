"""grpc.health.v1: what Kubernetes probes, and gRPC's clients watch. It tells of the process, not of its models."""

import threading
from typing import Any, Final

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

from binocular.wire.codes import StatusCode
from serving.server.calls import Call
from serving.server.status import ServingError

SERVICE: Final = "grpc.health.v1.Health"
# What there is a state of: the process, and the services by the short names that the original gives them.
NAMES: Final = frozenset({"", "ModelService", "PredictionService"})
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def _messages() -> tuple[Any, Any]:
    """HealthCheckRequest and HealthCheckResponse, whose only fields are these."""
    file = descriptor_pb2.FileDescriptorProto(name="grpc_health.proto", package="grpc.health.v1", syntax="proto3")
    text, number = descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_INT32
    for name, field, kind in (("Request", "service", text), ("Response", "status", number)):
        file.message_type.add(name=f"HealthCheck{name}").field.add(name=field, number=1, type=kind, label=1)
    pool = DescriptorPool()
    pool.Add(file)
    names = (f"grpc.health.v1.HealthCheck{name}" for name in ("Request", "Response"))
    request, response = (message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names)
    return request, response


Request, Response = _messages()


class Health:
    """The state of this process, told once and whenever it changes."""

    def __init__(self) -> None:
        self._serves = True
        self._lock = threading.Lock()
        self._watching: list[Call] = []

    def check(self, service: str) -> Any:  # noqa: ANN401 - a message
        """The state of a service: a HealthCheckResponse."""
        if service not in NAMES:
            raise ServingError(StatusCode.NOT_FOUND, "unknown service")
        return self._said(service)

    def watch(self, call: Call, service: str) -> None:
        """Tell the state, and tell it again when the process ends."""
        with self._lock:
            self._watching = [each for each in self._watching if not each.gone]
            if call.connection.tell(call, self._said(service).SerializeToString()) and self._serves:
                self._watching.append(call)
                return
        call.connection.answer(call, StatusCode.UNAVAILABLE, "the server ends")

    def end(self) -> None:
        """The process takes no more calls."""
        with self._lock:
            self._serves, watching = False, self._watching
        for call in watching:
            call.connection.tell(call, self._said("").SerializeToString())
            call.connection.answer(call, StatusCode.UNAVAILABLE, "the server ends")

    def _said(self, service: str) -> Any:  # noqa: ANN401 - a message
        known = SERVING if self._serves else NOT_SERVING
        return Response(status=known if service in NAMES else SERVICE_UNKNOWN)
