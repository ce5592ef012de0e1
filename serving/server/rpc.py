"""The gRPC side: both services, health, limits, and one place where an error becomes a status.

Predict has threads of its own, a few more than there are cores: as many as can make use of them. Calls that
wait for one wait unread, so that overload holds no messages in memory, and beyond `grpc_max_threads` calls they
are refused at once with RESOURCE_EXHAUSTED. Status, metadata and health have other threads, and are answered
whatever Predict is doing. Few threads also mean few wake-ups: that is worth 0.3 ms of processor time a request.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from binocular.errors import PortBusyError
from binocular.wire import services
from serving.server import flags as flag_values
from serving.server import modelservice
from serving.server.deadline import Deadline
from serving.server.flags import Flags
from serving.server.metrics import Metrics
from serving.server.models import Models
from serving.server.predict import Predictor
from serving.server.status import ServingError

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 64 * flag_values.MEGABYTE
# Of a message that nobody reads yet: an image or two.
UNREAD_BYTES = 256 << 10
# Threads for everything but Predict.
OTHER_THREADS = 8
# Predict's threads for each core; one at work on a message while the other waits for the model.
THREADS_A_CORE = 2
# Calls in flight beyond those of Predict that are served or wait; only a flood has so many.
MOST_OTHERS = 1000
_LIMIT_OPTION = "grpc.max_receive_message_length"

# Longer than anybody waits, shorter than a lock can.
_FOR_EVER_S = 1e6

Handler = Callable[[Any, Deadline], Any]


def message_limit(flags: Flags) -> int:
    """Bytes of the largest request."""
    limit = dict(flag_values.channel_arguments(flags)).get(_LIMIT_OPTION, MESSAGE_LIMIT)
    return limit if isinstance(limit, int) and limit > 0 else (1 << 31) - 1


class Rpc:
    """The gRPC server. `start` opens its port, `stop` lets the calls in flight end."""

    def __init__(self, flags: Flags, models: Models, predictor: Predictor, metrics: Metrics) -> None:
        self._flags, self._models, self._predictor, self._metrics = flags, models, predictor, metrics
        self._predicting = Predicting(_predict_threads(flags), flags.grpc_max_threads)
        # It would log a traceback for each request that is no message: a client's nonsense must not fill the disk.
        logging.getLogger("grpc._common").setLevel(logging.CRITICAL)
        self._server = grpc.server(
            ThreadPoolExecutor(OTHER_THREADS, "grpc"),
            maximum_concurrent_rpcs=flags.grpc_max_threads + MOST_OTHERS,
            options=[
                ("grpc.so_reuseport", 0),  # or a second server would share the port in silence
                (_LIMIT_OPTION, MESSAGE_LIMIT),
                ("grpc.max_send_message_length", -1),
                # What is sent of a call before anybody reads it. It would grow with the load, and a flood of large
                # requests that are refused would take as much memory as if each had been served.
                ("grpc.http2.bdp_probe", 0),
                ("grpc.http2.lookahead_bytes", UNREAD_BYTES),
                *flag_values.channel_arguments(flags),
            ],
        )
        self._server.add_generic_rpc_handlers(
            (
                _Gate(
                    services.handlers(
                        "PredictionService",
                        {
                            "Predict": self._predict(),
                            "GetModelMetadata": self._edge(None, lambda request, _: predictor.metadata(request)),
                            **{name: _unimplemented(name) for name in ("Classify", "Regress", "MultiInference")},
                        },
                    ),
                    self._predicting,
                    lambda: metrics.request("", "Predict", "GRPC", grpc.StatusCode.RESOURCE_EXHAUSTED, 0),
                ),
                services.handlers(
                    "ModelService",
                    {
                        "GetModelStatus": self._edge(
                            None, lambda request, _: modelservice.status(models, request)
                        ),
                        "HandleReloadConfigRequest": self._edge(None, self._reload),
                    },
                ),
            )
        )
        self._health = health.HealthServicer()
        if flags.enable_grpc_healthcheck_service:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def start(self) -> None:
        """Listen and answer; PortBusyError where the address is taken."""
        for address in self._addresses():
            try:
                self._server.add_insecure_port(address)
            except RuntimeError as error:
                raise PortBusyError(
                    f"cannot listen on {address} (--host, --port, --grpc_socket_path): {error}"
                ) from None
        self._server.start()
        for name in ("", "ModelService", "PredictionService"):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, and give those in flight this long."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait()

    def _addresses(self) -> Iterator[str]:
        if self._flags.port:
            host = f"[{self._flags.host}]" if ":" in self._flags.host else self._flags.host
            yield f"{host}:{self._flags.port}"
        if self._flags.grpc_socket_path:
            yield f"unix:{self._flags.grpc_socket_path}"

    def _predict(self) -> services.Answer:
        """Predict, on threads of its own: gRPC takes them from this attribute, or else uses its others."""
        answer = self._edge("Predict", self._predictor.predict)
        answer.experimental_thread_pool = self._predicting  # type: ignore[attr-defined]
        return answer

    def _reload(self, request: Any, deadline: Deadline) -> Any:  # noqa: ANN401 - messages
        return modelservice.reload(
            self._models,
            request,
            deadline,
            labels_before_loading=self._flags.allow_version_labels_for_unavailable_models,
        )

    def _edge(self, entrypoint: str | None, handler: Handler) -> services.Answer:
        """Where the call's deadline comes in and its error goes out; Predict is counted."""

        def answer(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - messages
            started, code, text = time.perf_counter(), grpc.StatusCode.OK, ""
            deadline = Deadline.within(_patience(context), context.is_active)
            response = None
            try:
                response = handler(request, deadline)
            except ServingError as error:
                code, text = error.canonical, error.text
            except Exception:
                log.exception("a call failed for a reason that is ours")
                code, text = grpc.StatusCode.INTERNAL, "internal error; the server's log says more"
            if entrypoint:
                seconds = time.perf_counter() - started
                self._metrics.request(request.model_spec.name, entrypoint, "GRPC", code, seconds)
            if response is None:
                context.abort(code, text)
            return response

        return answer


class Predicting(ThreadPoolExecutor):
    """Predict's threads, which know how many calls they have."""

    def __init__(self, threads: int, most: int) -> None:
        super().__init__(threads, "predict")
        self._most, self._calls, self._lock = most, 0, threading.Lock()

    @property
    def full(self) -> bool:
        """Whether one more call would have to be refused."""
        return self._calls >= self._most

    @property
    def refusal(self) -> str:
        """What it is told."""
        return f"{self._most} requests are running or waiting already (--grpc_max_threads); try again later"

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        """Have a call answered."""
        self._count(1)
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: self._count(-1))
        return future

    def _count(self, change: int) -> None:
        with self._lock:
            self._calls += change


def _predict_threads(flags: Flags) -> int:
    """Requests that wait to be merged each hold a thread; others need no more than the cores can feed."""
    most = flags.grpc_max_threads
    return most if flags.enable_batching else min(most, THREADS_A_CORE * flag_values.CORES)


class _Gate(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Turns a Predict away, unread, while there is no place for it."""

    def __init__(self, inside: grpc.GenericRpcHandler, predicting: Predicting, count: Callable[[], None]) -> None:
        self._inside, self._predicting, self._count = inside, predicting, count
        # A handler of a stream need not take what is sent; one of a single message always reads it first.
        self._refusal = grpc.stream_unary_rpc_method_handler(self._refuse)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a call."""
        if self._predicting.full and details.method.endswith("/Predict"):
            return self._refusal
        return self._inside.service(details)

    def _refuse(self, requests: object, context: grpc.ServicerContext) -> None:
        del requests
        self._count()
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, self._predicting.refusal)


def _patience(context: grpc.ServicerContext) -> float | None:
    """Seconds that the caller waits; gRPC says hundreds of years for a caller without a deadline."""
    seconds: float | None = context.time_remaining()
    return seconds if seconds is not None and seconds < _FOR_EVER_S else None


def _unimplemented(name: str) -> services.Answer:
    def answer(request: Any, context: grpc.ServicerContext) -> None:  # noqa: ANN401 - a message
        del request
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{name} is not offered; this server answers Predict")

    return answer
