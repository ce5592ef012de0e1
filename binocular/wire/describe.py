"""Writes `descriptors.binpb` from the installed tensorflow-serving-api: `python -m binocular.wire.describe`.

The only module here that imports tensorflow, and only when it is run: whoever renews the descriptors has it,
whoever speaks the protocol need not.
"""

import importlib
from pathlib import Path

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

DESCRIPTORS = Path(__file__).with_name("descriptors.binpb")

# What the gateway and the server speak or read; what these need in turn is added by itself.
_ROOTS = (
    "tensorflow_serving.apis.prediction_service_pb2",
    "tensorflow_serving.apis.model_service_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",  # warm-up requests
    "tensorflow_serving.config.model_server_config_pb2",
    "tensorflow.core.protobuf.saved_model_pb2",
)
_WRAPPERS = "google/protobuf/wrappers.proto"


def describe() -> FileDescriptorSet:
    """Every descriptor needed, each file behind those it imports."""
    files: dict[str, FileDescriptorProto] = {}

    def add(descriptor: object) -> None:
        name = descriptor.name  # type: ignore[attr-defined]
        if name not in files:
            for dependency in descriptor.dependencies:  # type: ignore[attr-defined]
                add(dependency)
            files[name] = FileDescriptorProto.FromString(descriptor.serialized_pb)  # type: ignore[attr-defined]

    for module in _ROOTS:
        add(importlib.import_module(module).DESCRIPTOR)
    return FileDescriptorSet(file=[*files.values(), _server_files()])


def _server_files() -> FileDescriptorProto:
    """The server's own configuration files, which tensorflow-serving-api has no messages for.

    They are only ever text, so the numbers of the fields do not matter; the names do.
    """
    file = FileDescriptorProto(
        name="binocular/server_files.proto", package="tensorflow.serving", syntax="proto3", dependency=[_WRAPPERS]
    )
    batching = file.message_type.add(name="BatchingParameters")
    wrapped = {
        "Int64Value": (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "num_batch_threads",
            "max_execution_batch_size",
        ),
        "StringValue": ("thread_pool_name",),
        "BoolValue": ("enable_large_batch_splitting",),
    }
    for kind, names in wrapped.items():
        for name in names:
            _field(batching, name, FieldDescriptorProto.TYPE_MESSAGE, f".google.protobuf.{kind}")
    _field(
        batching, "allowed_batch_sizes", FieldDescriptorProto.TYPE_INT64
    ).label = FieldDescriptorProto.LABEL_REPEATED
    _field(batching, "pad_variable_length_inputs", FieldDescriptorProto.TYPE_BOOL)

    prometheus = file.message_type.add(name="PrometheusConfig")
    _field(prometheus, "enable", FieldDescriptorProto.TYPE_BOOL)
    _field(prometheus, "path", FieldDescriptorProto.TYPE_STRING)
    monitoring = file.message_type.add(name="MonitoringConfig")
    _field(
        monitoring,
        "prometheus_config",
        FieldDescriptorProto.TYPE_MESSAGE,
        ".tensorflow.serving.PrometheusConfig",
    )
    return file


def _field(
    message: object, name: str, kind: "FieldDescriptorProto.Type.ValueType", type_name: str | None = None
) -> FieldDescriptorProto:
    fields = message.field  # type: ignore[attr-defined]
    field: FieldDescriptorProto = fields.add(
        name=name, number=len(fields) + 1, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL
    )
    if type_name:
        field.type_name = type_name
    return field


if __name__ == "__main__":
    DESCRIPTORS.write_bytes(describe().SerializeToString(deterministic=True))
