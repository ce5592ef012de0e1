"""The messages themselves, as classes.

They live in a descriptor pool of their own, so that tensorflow and its messages can be in the same process.
An instance of one pool is not an instance of the other; bytes are the border.
"""

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "tensorflow.serving"


def _load() -> DescriptorPool:
    pool = DescriptorPool()
    described = FileDescriptorSet.FromString(files(__package__).joinpath("descriptors.binpb").read_bytes())
    for file in described.file:
        pool.Add(file)
    return pool


# Done once, on import, as every generated module of protobuf does it; it takes a few milliseconds.
POOL = _load()


def message(name: str) -> Any:  # noqa: ANN401 - a class made at run time
    """The class of a message by its full name."""
    return GetMessageClass(POOL.FindMessageTypeByName(name))


GetModelMetadataRequest = message(f"{_PACKAGE}.GetModelMetadataRequest")
GetModelMetadataResponse = message(f"{_PACKAGE}.GetModelMetadataResponse")
GetModelStatusRequest = message(f"{_PACKAGE}.GetModelStatusRequest")
GetModelStatusResponse = message(f"{_PACKAGE}.GetModelStatusResponse")
ModelServerConfig = message(f"{_PACKAGE}.ModelServerConfig")
PredictionLog = message(f"{_PACKAGE}.PredictionLog")
PredictRequest = message(f"{_PACKAGE}.PredictRequest")
PredictResponse = message(f"{_PACKAGE}.PredictResponse")
ReloadConfigRequest = message(f"{_PACKAGE}.ReloadConfigRequest")
ReloadConfigResponse = message(f"{_PACKAGE}.ReloadConfigResponse")
SignatureDefMap = message(f"{_PACKAGE}.SignatureDefMap")
BatchingParameters = message(f"{_PACKAGE}.BatchingParameters")
MonitoringConfig = message(f"{_PACKAGE}.MonitoringConfig")
SavedModel = message("tensorflow.SavedModel")
SignatureDef = message("tensorflow.SignatureDef")
TensorProto = message("tensorflow.TensorProto")

# The states of a version, by name: `states.Value("AVAILABLE")`.
STATES = GetModelStatusResponse.DESCRIPTOR.file.message_types_by_name["ModelVersionStatus"].enum_types_by_name[
    "State"
]
