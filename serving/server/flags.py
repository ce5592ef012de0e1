"""TensorFlow Serving's own flags, and one of ours: where to listen.

    flags = parse(["--port=8500", "--model_name=waste", "--model_base_path=/models/waste"])

A flag that does not exist, or that exists there but means nothing here, is an error and not silence: a server
that ignores what it was told is worse than one that does not start.
"""

import difflib
import os
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import Any

from binocular.errors import SettingError

CORES = len(os.sched_getaffinity(0))
HIGHEST_PORT = 65535
MEGABYTE = 1 << 20
# Of gRPC's own options the only one here, how large a message is without it, and with any number for it.
MESSAGE_OPTION = "grpc.max_receive_message_length"
MESSAGE_LIMIT, LARGEST_MESSAGE = 64 * MEGABYTE, (1 << 31) - 1


def _flag(default: Any, meaning: str, lowest: float | None = None, highest: float | None = None) -> Any:  # noqa: ANN401
    return field(default=default, metadata={"meaning": meaning, "lowest": lowest, "highest": highest})


@dataclass(frozen=True)
class Flags:
    """What the server was told."""

    port: int = _flag(8500, "gRPC port; 0: none", 0, HIGHEST_PORT)
    grpc_socket_path: str = _flag("", "UNIX socket to listen on for gRPC as well")
    rest_api_port: int = _flag(0, "HTTP port; 0: none", 0, HIGHEST_PORT)
    host: str = _flag("127.0.0.1", "address to listen on; this flag is ours, the original listens on 0.0.0.0")
    rest_api_num_threads: int = _flag(64, "HTTP connections served at once; more are refused", 1, 4096)
    rest_api_timeout_in_ms: int = _flag(30_000, "longest time for an HTTP request", 1)
    rest_api_enable_cors_support: bool = _flag(default=False, meaning="allow web pages of other origins to ask")
    model_name: str = _flag("default", "name of the model, without --model_config_file")
    model_base_path: str = _flag("", "folder of its versions, without --model_config_file")
    model_config_file: str = _flag("", "ModelServerConfig, as text, that lists the models")
    model_config_file_poll_wait_seconds: int = _flag(0, "how often to read it again; 0: never", 0)
    file_system_poll_wait_seconds: int = _flag(1, "how often to look for versions; 0: once; below 0: never")
    enable_batching: bool = _flag(default=False, meaning="merge requests into batches")
    batching_parameters_file: str = _flag("", "BatchingParameters, as text")
    max_num_load_retries: int = _flag(5, "attempts after a version failed to load", 0)
    load_retry_interval_micros: int = _flag(60_000_000, "time between them", 0)
    num_load_threads: int = _flag(0, "versions loaded at once; 0: one of each model", 0, 1024)
    allow_version_labels_for_unavailable_models: bool = _flag(
        default=False, meaning="labels may name versions that are not loaded yet"
    )
    enable_model_warmup: bool = _flag(default=True, meaning="replay a version's warm-up requests before it serves")
    num_request_iterations_for_warmup: int = _flag(1, "times each of them is replayed", 1, 1000)
    monitoring_config_file: str = _flag("", "MonitoringConfig, as text: Prometheus' metrics on the HTTP port")
    saved_model_tags: str = _flag("serve", "tags of the graph to load, separated by commas")
    tensorflow_session_parallelism: int = _flag(0, "threads of a TensorFlow session; 0: its own choice", 0)
    tensorflow_intra_op_parallelism: int = _flag(0, "threads of one operation in it", 0)
    tensorflow_inter_op_parallelism: int = _flag(0, "operations at once in it", 0)
    grpc_channel_arguments: str = _flag("", f"the longest message, as {MESSAGE_OPTION}=BYTES; -1: any")
    grpc_max_threads: int = _flag(64, "Predict calls running or waiting at once; more are refused", 1, 4096)
    enable_serialization_as_tensor_content: bool = _flag(default=False, meaning="answer with packed tensors")
    enable_grpc_healthcheck_service: bool = _flag(default=False, meaning="offer grpc.health.v1.Health")
    version: bool = _flag(default=False, meaning="print the version and end")


# Flags of the original that would change what it does, and that change nothing here.
NOT_HERE = frozenset(
    {
        "enable_per_model_batching_parameters",
        "enable_profiler",
        "enable_signature_method_name_check",
        "flush_filesystem_caches",
        "num_unload_threads",
        "per_process_gpu_memory_fraction",
        "platform_config_file",
        "prefer_tflite_model",
        "servable_versions_always_present",
        "ssl_config_file",
        "use_tflite_model",
    }
)
_TRUE, _FALSE = {"", "true", "1"}, {"false", "0"}
_ALIKE = 0.6


def parse(arguments: list[str]) -> Flags:
    """The flags of a command line; SettingError names the first that is wrong."""
    known: dict[str, Field[Any]] = {it.name: it for it in fields(Flags)}
    values: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in known:
            raise SettingError(_unknown(argument, name, list(known)))
        if not equals and known[name].type is not bool:
            raise SettingError(f"--{name} needs a value: --{name}=…")
        values[name] = _value(known[name], text)
    flags = Flags(**values)
    if not flags.version:
        _check(flags)
    return flags


def usage() -> str:
    """Every flag with its default and meaning, a line each."""
    return "\n".join(f"  --{it.name}={it.default}  {it.metadata['meaning']}" for it in fields(Flags))


def message_limit(flags: Flags) -> int:
    """Bytes of the largest gRPC message that is taken: of gRPC's own options the one that means something here."""
    limit = MESSAGE_LIMIT
    for pair in filter(None, flags.grpc_channel_arguments.split(",")):
        key, equals, value = pair.partition("=")
        if key != MESSAGE_OPTION or not equals or not value.removeprefix("-").isdecimal():
            raise SettingError(f"--grpc_channel_arguments: got {pair!r}, expected {MESSAGE_OPTION}=a number")
        limit = int(value)
    return limit if 0 < limit < LARGEST_MESSAGE else LARGEST_MESSAGE


def _value(flag: Field[Any], text: str) -> Any:  # noqa: ANN401 - of the flag's type
    read: Callable[[str], Any] = _bool if flag.type is bool else int if flag.type is int else str
    lowest, highest = flag.metadata["lowest"], flag.metadata["highest"]
    try:
        value = read(text)
    except ValueError:
        kind = "true or false" if flag.type is bool else "a whole number"
        raise SettingError(f"--{flag.name}: got {text!r}, expected {kind}") from None
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        limits = f"from {lowest}" + (f" to {highest}" if highest is not None else "")
        raise SettingError(f"--{flag.name}: got {text}, expected a number {limits}")
    return value


def _bool(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError(text)


def _unknown(argument: str, name: str, known: list[str]) -> str:
    if name in NOT_HERE:
        return f"--{name} is a flag of TensorFlow Serving that this server does not have; leave it out"
    near = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
    return f"unknown argument: {argument}" + (f"; did you mean --{near[0]}?" if near else "")


def _check(flags: Flags) -> None:
    """What cannot go together, or has to."""
    if not flags.model_base_path and not flags.model_config_file:
        raise SettingError(
            "name the models: --model_base_path=FOLDER (with --model_name) or --model_config_file=FILE"
        )
    if not flags.port and not flags.grpc_socket_path:
        raise SettingError("--port=0 needs --grpc_socket_path: without either nobody could ask over gRPC")
    if flags.port and flags.port == flags.rest_api_port:
        raise SettingError(f"--rest_api_port: got {flags.port}, which is --port too; give it another")
    if flags.batching_parameters_file and not flags.enable_batching:
        raise SettingError(
            "server_options.batching_parameters_file is set without setting server_options.enable_batching "
            "to true."
        )
    if flags.tensorflow_session_parallelism and (
        flags.tensorflow_intra_op_parallelism or flags.tensorflow_inter_op_parallelism
    ):
        raise SettingError("--tensorflow_session_parallelism sets both others; give it alone, or the other two")
    message_limit(flags)
