"""The gRPC side: both services, health, limits, and one place where an error becomes a status.

Predict has threads of its own, one for each core: more would only take it from each other. Calls that wait for one
wait with at most an image or two of their message read, so that overload holds little in memory, and beyond
`grpc_max_threads` calls they are refused at once with RESOURCE_EXHAUSTED. Status, metadata and health have other
threads, and are answered whatever Predict is doing.

A call is answered in stages: read, run, tell. While many wait, a thread takes several through each stage together:
a model drives all else out of the processor's caches, and what reads and tells is fetched once for all of them.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from binocular.wire import services
from binocular.wire.codes import StatusCode
from serving.server import flags as flag_values
from serving.server import health, modelservice
from serving.server.admission import Turns
from serving.server.calls import Call
from serving.server.deadline import Deadline
from serving.server.flags import Flags
from serving.server.health import Health
from serving.server.listening import Listening
from serving.server.metrics import Metrics
from serving.server.models import Models
from serving.server.predict import Predictor
from serving.server.status import ServingError

log = logging.getLogger(__name__)

# Threads for everything but Predict.
OTHER_THREADS = 8
# Calls in flight beyond those of Predict that are served or wait; only a flood has so many.
MOST_OTHERS = 1000
# Short calls that a thread answers together.
TOGETHER = 4
PREDICT = "Predict"

# What answers a unary call: takes the request and the caller's patience, and returns the response or its stages.
Handler = Callable[[Any, Deadline], Any]


@dataclass(frozen=True)
class Method:
    """What answers the calls of a path; in a thread of its own kind."""

    answer: Callable[[Call], Iterator[None]]  # in stages
    predicts: bool = False


class Rpc:
    """The gRPC server. `start` opens its ports, `stop` lets the calls in flight end."""

    def __init__(self, flags: Flags, models: Models, predictor: Predictor, metrics: Metrics) -> None:
        self.limit = flag_values.message_limit(flags)
        self.most_streams = flags.grpc_max_threads + MOST_OTHERS
        self._flags, self._models, self._predictor, self._metrics = flags, models, predictor, metrics
        self._health = Health()
        self._methods = self._offered()
        self._lock = threading.Lock()
        self._predicting = self._others = 0  # calls that were taken and are not over
        threads = flags.grpc_max_threads if flags.enable_batching else flag_values.CORES
        # Of long messages so many come on at once as there are threads to read them, and the next one.
        self._long: Turns[Call] = Turns(threads + 1, self._come_on)
        self._ready: SimpleQueue[Call | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._predict_calls, name=f"predict_{number}", daemon=True)
            for number in range(threads)
        ]
        self._pool = ThreadPoolExecutor(OTHER_THREADS, "grpc")
        self._listening = Listening(self)

    def start(self) -> None:
        """Listen and answer; PortBusyError where the address is taken."""
        if self._flags.port:
            self._listening.open(self._flags.host, self._flags.port)
        if self._flags.grpc_socket_path:
            self._listening.open_path(Path(self._flags.grpc_socket_path))
        for thread in self._threads:
            thread.start()
        self._listening.start()

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, and give those in flight this long."""
        self._health.end()
        self._listening.stop(grace_s)
        for _ in self._threads:
            self._ready.put(None)
        self._pool.shutdown(wait=False, cancel_futures=True)

    # What connections ask: see `connection.Door`.

    def begin(self, call: Call) -> tuple[StatusCode, str] | None:
        """Take a call, or say why not."""
        method = self._methods.get(call.path)
        if method is None:
            return StatusCode.UNIMPLEMENTED, "Method not found!"
        call.method = method
        with self._lock:
            most = self._flags.grpc_max_threads if method.predicts else MOST_OTHERS
            if (self._predicting if method.predicts else self._others) < most:
                self._predicting += method.predicts
                self._others += not method.predicts
                return None
        if method.predicts:
            self._metrics.request("", PREDICT, "GRPC", StatusCode.RESOURCE_EXHAUSTED, 0)
        text = f"{most} requests are running or waiting already (--grpc_max_threads); try again later"
        return StatusCode.RESOURCE_EXHAUSTED, text

    def large(self, call: Call) -> None:
        """Let a long message come when it is its turn."""
        if self._long.want(call):
            call.connection.give_room(call)

    def ready(self, call: Call) -> None:
        """Have a call answered."""
        if call.method.predicts:
            self._ready.put(call)
        else:
            self._pool.submit(_all_stages, [call])

    def end(self, call: Call) -> None:
        """A call is over."""
        with self._lock:
            self._predicting -= call.method.predicts
            self._others -= not call.method.predicts
        if call.waits:
            self._long.end(call)

    def _come_on(self, call: Call) -> None:
        # Not in this thread: it may be at work on another connection.
        self._listening.soon(lambda: call.connection.give_room(call))

    def _predict_calls(self) -> None:
        call = self._ready.get()
        while call:
            calls, following = self._more(call)
            _all_stages(calls)
            call = following or self._ready.get()

    def _more(self, first: Call) -> tuple[list[Call], Call | None]:
        """A call with others that wait, if all are short, and the one to go on with, which was found meanwhile.

        As many are left to the other threads.
        """
        calls = [first]
        while not first.waits and len(calls) <= min(TOGETHER - 1, self._ready.qsize() // len(self._threads)):
            try:
                found = self._ready.get_nowait()
            except Empty:
                break
            if found is None:
                self._ready.put(None)
                break
            if found.waits:
                return calls, found
            calls.append(found)
        return calls, None

    def _offered(self) -> dict[str, Method]:
        """Each method by its path."""
        models, predictor = self._models, self._predictor
        handlers: dict[str, dict[str, Handler]] = {
            "PredictionService": {
                PREDICT: predictor.predict,
                "GetModelMetadata": lambda request, _: predictor.metadata(request),
                **{name: _unimplemented(name) for name in ("Classify", "Regress", "MultiInference")},
            },
            "ModelService": {
                "GetModelStatus": lambda request, _: modelservice.status(models, request),
                "HandleReloadConfigRequest": self._reload,
            },
        }
        found = {
            services.path(service, name): Method(
                self._unary(GetMessageClass(it.input_type), own[name], name), name == PREDICT
            )
            for service, own in handlers.items()
            for name, it in services.methods(service).items()
        }
        if self._flags.enable_grpc_healthcheck_service:
            found[f"/{health.SERVICE}/Check"] = Method(self._unary(health.Request, self._check, "Check"))
            found[f"/{health.SERVICE}/Watch"] = Method(self._watch)
        return found

    def _reload(self, request: Any, deadline: Deadline) -> Any:  # noqa: ANN401 - messages
        return modelservice.reload(
            self._models,
            request,
            deadline,
            labels_before_loading=self._flags.allow_version_labels_for_unavailable_models,
        )

    def _check(self, request: Any, _: Deadline) -> Any:  # noqa: ANN401 - messages
        return self._health.check(request.service)

    def _watch(self, call: Call) -> Iterator[None]:
        yield
        try:
            request = health.Request.FromString(call.message(self.limit))
        except (ServingError, DecodeError) as error:
            call.connection.answer(call, StatusCode.INTERNAL, f"Exception deserializing request! {error}")
        else:
            self._health.watch(call, request.service)

    def _unary(
        self,
        takes: Any,  # noqa: ANN401 - a message
        handler: Handler,
        name: str,
    ) -> Callable[[Call], Iterator[None]]:
        """Where a call's message comes in, its answer or error goes out, and Predict is counted."""

        def answer(call: Call) -> Iterator[None]:
            started, code, text = time.perf_counter(), StatusCode.OK, ""
            request, message = None, None
            try:
                request = takes.FromString(call.message(self.limit))
                response = handler(request, call.deadline)
                if isinstance(response, Generator):
                    response = yield from response
                message = response.SerializeToString()
            except ServingError as error:
                code, text = error.canonical, error.text
            except DecodeError:
                code, text = StatusCode.INTERNAL, "Exception deserializing request!"
            except Exception:
                log.exception("a call failed for a reason that is ours")
                code, text = StatusCode.INTERNAL, "internal error; the server's log says more"
            if name == PREDICT:
                model = request.model_spec.name if request is not None else ""
                self._metrics.request(model, name, "GRPC", code, time.perf_counter() - started)
            call.connection.answer(call, code, text, message)

        return answer


def _all_stages(calls: list[Call]) -> None:
    """Answer calls, stage by stage."""
    going = [call.method.answer(call) for call in calls]
    while going:
        going = [each for each in going if _goes_on(each)]


def _goes_on(stages: Iterator[None]) -> bool:
    """Whether there is another stage after the next."""
    try:
        next(stages)
    except StopIteration:
        return False
    except Exception:  # a thread that is gone would be missed by all later calls
        log.exception("an answer was not sent for a reason that is ours")
        return False
    return True


def _unimplemented(name: str) -> Handler:
    def answer(*_: object) -> None:
        raise ServingError(StatusCode.UNIMPLEMENTED, f"{name} is not offered; this server answers Predict")

    return answer
