"""The process: models, gRPC and HTTP put together, started in order and ended without losing a request."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

from binocular.errors import BinocularError, ProcessError
from binocular.wire.codes import StatusCode
from binocular.wire.messages import MonitoringConfig
from serving.server import batchparameters, config, engines, warmup
from serving.server.batching import Batched, Scheduler
from serving.server.config import ModelConfig
from serving.server.deadline import Deadline
from serving.server.engines import Engine, EngineOptions
from serving.server.flags import CORES, Flags, message_limit
from serving.server.http import Http
from serving.server.metrics import Metrics
from serving.server.models import Models, Retries
from serving.server.modelservice import check_loaded
from serving.server.predict import Predictor
from serving.server.rest import Rest
from serving.server.rpc import Rpc
from serving.server.status import ServingError

log = logging.getLogger(__name__)

# What a request in flight gets when the server is asked to end; Kubernetes kills after 30 s.
GRACE_S = 20.0
# What closing the models gets beyond that.
LAST_S = 5.0
EXIT_STUCK = 1
TICK_S = 0.5
METRICS_PATH = "/monitoring/prometheus/metrics"


class Server:
    """Everything one process holds."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._ending = threading.Event()
        self._options = _engine_options(flags)
        self._scheduler = _scheduler(flags)
        self._models = Models(
            self._load,
            Retries(flags.max_num_load_retries, flags.load_retry_interval_micros / 1e6),
            poll_s=flags.file_system_poll_wait_seconds,
            loads_at_once=flags.num_load_threads,
        )
        self._metrics = Metrics(self._models)
        self._predictor = Predictor(
            self._models,
            tensor_limit=message_limit(flags),
            packed=flags.enable_serialization_as_tensor_content,
            observe=self._metrics.run,
        )
        self._rpc = Rpc(flags, self._models, self._predictor, self._metrics)
        self._metrics_path = _metrics_path(flags)
        self._http: Http | None = None

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. The ports open when every model answers."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ending.set())
        try:
            if self._begin():
                while not self._ending.wait(TICK_S):
                    pass  # a signal the moment before a wait without end would go unnoticed
                log.info("ending: requests in flight are answered", extra={"at_most_s": GRACE_S})
        finally:
            self._end()

    def _end(self) -> None:
        """Let the requests in flight end, all of them within the same time."""
        grace = Deadline.within(GRACE_S)
        self._rpc.stop(grace.remaining() or 0)
        if self._http:
            self._http.stop(grace.remaining() or 0)
        if not self._models.stop((grace.remaining() or 0) + LAST_S):
            log.error("a request did not end; the process does without it")
            logging.shutdown()
            os._exit(EXIT_STUCK)  # a model that never returns holds a thread that Python would wait for

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
        if self._flags.rest_api_port:
            rest = Rest(self._models, self._predictor, self._metrics)
            self._http = Http(self._flags, rest, self._metrics, self._metrics_path)
            self._http.start()
        if self._flags.model_config_file and self._flags.model_config_file_poll_wait_seconds:
            threading.Thread(target=self._follow_config, name="config", daemon=True).start()
        flags = self._flags
        log.info("serving", extra={"host": flags.host, "grpc": flags.port, "rest": flags.rest_api_port})
        return True

    def _follow_config(self) -> None:
        """Read the configuration file again and again; one that is wrong changes nothing."""
        while not self._ending.wait(self._flags.model_config_file_poll_wait_seconds):
            try:
                configs = config.read_file(Path(self._flags.model_config_file))
                if configs != self._models.configs():
                    self._models.configure(
                        configs, labels_before_loading=self._flags.allow_version_labels_for_unavailable_models
                    )
            except BinocularError as error:
                log.error("the configuration file is not taken", extra={"why": error})  # noqa: TRY400

    def _load(self, model: str, version: int, path: Path) -> Engine:
        """An engine that is warm."""
        engine = engines.load(path, self._options)
        try:
            if self._flags.enable_model_warmup:
                self._warm_up(engine, path)
        except BaseException:
            engine.close()
            raise
        log.debug("loaded", extra={"model": model, "version": version, "engine": engine.name})
        return Batched(engine, self._scheduler) if self._scheduler else engine

    def _warm_up(self, engine: Engine, path: Path) -> None:
        started, code = time.perf_counter(), StatusCode.OK
        try:
            warmup.replay(
                engine,
                path,
                times=self._flags.num_request_iterations_for_warmup,
                tensor_limit=message_limit(self._flags),
            )
        except ServingError as error:
            code = error.canonical
            raise
        finally:
            self._metrics.warmup(str(path), code, time.perf_counter() - started)


def _configs(flags: Flags) -> list[ModelConfig]:
    if flags.model_config_file:
        return config.read_file(Path(flags.model_config_file))
    return [ModelConfig(flags.model_name, Path(flags.model_base_path).absolute())]


def _scheduler(flags: Flags) -> Scheduler | None:
    if not flags.enable_batching:
        return None
    path = Path(flags.batching_parameters_file) if flags.batching_parameters_file else None
    return Scheduler(batchparameters.read_file(path, CORES))


def _metrics_path(flags: Flags) -> str:
    """Where the metrics are; nothing: nowhere."""
    if not flags.monitoring_config_file:
        return ""
    said = config.parse_file(Path(flags.monitoring_config_file), MonitoringConfig).prometheus_config
    return (said.path or METRICS_PATH) if said.enable else ""


def _engine_options(flags: Flags) -> EngineOptions:
    both = flags.tensorflow_session_parallelism
    return EngineOptions(
        cores=CORES,
        tags=frozenset(flags.saved_model_tags.split(",")),
        intra_op_threads=both or flags.tensorflow_intra_op_parallelism,
        inter_op_threads=both or flags.tensorflow_inter_op_parallelism,
    )
