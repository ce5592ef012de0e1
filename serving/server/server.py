"""The process: models, gRPC and HTTP put together, started in order and ended without losing a request."""

import logging
import signal
import threading
from pathlib import Path

from binocular.errors import ProcessError
from serving.server import config, engines, rpc
from serving.server.config import ModelConfig
from serving.server.deadline import Deadline
from serving.server.engines import Engine, EngineOptions
from serving.server.flags import CORES, Flags
from serving.server.metrics import Metrics
from serving.server.models import Models, Retries
from serving.server.modelservice import check_loaded
from serving.server.predict import Predictor
from serving.server.rpc import Rpc
from serving.server.status import ServingError

log = logging.getLogger(__name__)

# What a request in flight gets when the server is asked to end; Kubernetes kills after 30 s.
GRACE_S = 20.0


class Server:
    """Everything one process holds."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._ending = threading.Event()
        self._options = _engine_options(flags)
        self._models = Models(
            self._load,
            Retries(flags.max_num_load_retries, flags.load_retry_interval_micros / 1e6),
            poll_s=flags.file_system_poll_wait_seconds,
            loads_at_once=flags.num_load_threads,
        )
        self._metrics = Metrics(self._models)
        self._predictor = Predictor(
            self._models,
            tensor_limit=rpc.message_limit(flags),
            packed=flags.enable_serialization_as_tensor_content,
            observe=self._metrics.run,
        )
        self._rpc = Rpc(flags, self._models, self._predictor, self._metrics)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. The ports open when every model answers."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ending.set())
        try:
            if self._begin():
                self._ending.wait()
                log.info("ending: requests in flight are answered", extra={"at_most_s": GRACE_S})
        finally:
            self._rpc.stop(GRACE_S)
            self._models.stop(GRACE_S)

    def _begin(self) -> bool:
        """Load, then listen; whether it came to that before the end was asked for."""
        configs = _configs(self._flags)
        try:
            self._models.configure(
                configs, labels_before_loading=self._flags.allow_version_labels_for_unavailable_models
            )
            self._models.start()
            patience = Deadline(wanted=lambda: not self._ending.is_set())
            check_loaded(self._models.wait([it.name for it in configs], patience))
        except ServingError as error:
            if self._ending.is_set():
                return False
            raise ProcessError(f"Failed to start server. Error: {error.canonical.name}: {error}") from None
        self._rpc.start()
        log.info("serving", extra={"host": self._flags.host, "grpc": self._flags.port})
        return True

    def _load(self, model: str, version: int, path: Path) -> Engine:
        del model, version
        return engines.load(path, self._options)


def _configs(flags: Flags) -> list[ModelConfig]:
    if flags.model_config_file:
        return config.read_file(Path(flags.model_config_file))
    return [ModelConfig(flags.model_name, Path(flags.model_base_path).absolute())]


def _engine_options(flags: Flags) -> EngineOptions:
    both = flags.tensorflow_session_parallelism
    return EngineOptions(
        cores=CORES,
        tags=frozenset(flags.saved_model_tags.split(",")),
        intra_op_threads=both or flags.tensorflow_intra_op_parallelism,
        inter_op_threads=both or flags.tensorflow_inter_op_parallelism,
    )
