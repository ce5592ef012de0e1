"""TensorFlow Serving's gRPC services, both ends: handlers for a server, calls for a client."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from binocular.wire.messages import POOL

_PACKAGE = "tensorflow.serving"

# What answers a call: takes the request and gRPC's context, returns the response.
Answer = Callable[[Any, grpc.ServicerContext], Any]


def methods(service: str) -> Mapping[str, MethodDescriptor]:
    """The methods of `PredictionService` or `ModelService`."""
    found: Mapping[str, MethodDescriptor] = POOL.FindServiceByName(f"{_PACKAGE}.{service}").methods_by_name
    return found


def path(service: str, method: str) -> str:
    """Where a method is called."""
    return f"/{_PACKAGE}.{service}/{method}"


def handlers(service: str, answers: Mapping[str, Answer]) -> grpc.GenericRpcHandler:
    """What `grpc.Server.add_generic_rpc_handlers` takes to offer a service."""
    return grpc.method_handlers_generic_handler(
        f"{_PACKAGE}.{service}",
        {
            name: grpc.unary_unary_rpc_method_handler(
                answers[name],
                request_deserializer=GetMessageClass(method.input_type).FromString,
                response_serializer=GetMessageClass(method.output_type).SerializeToString,
            )
            for name, method in methods(service).items()
        },
    )


def call(channel: grpc.Channel, service: str, method: str) -> grpc.UnaryUnaryMultiCallable:
    """A method of a service at the other end of a channel."""
    described = methods(service)[method]
    return channel.unary_unary(
        f"/{_PACKAGE}.{service}/{method}",
        request_serializer=GetMessageClass(described.input_type).SerializeToString,
        response_deserializer=GetMessageClass(described.output_type).FromString,
    )
