"""gRPC's own server, with whatever answers a test wants."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc

# Takes the bytes of a request and gRPC's context, returns those of the response.
Answer = Callable[[bytes, grpc.ServicerContext], bytes]

_OPTIONS = {
    "grpc.so_reuseport": 0,
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
}


class GrpcServer(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers calls by path, on a port of its own or a given one."""

    def __init__(
        self,
        answers: Mapping[str, Answer],
        port: int = 0,
        *,
        options: Mapping[str, Any] | None = None,
        threads: int = 8,
        host: str = "127.0.0.1",
    ) -> None:
        self._answers = answers
        self._threads = ThreadPoolExecutor(threads)
        self._server = grpc.server(
            self._threads,
            handlers=(self,),
            options=list({**_OPTIONS, **(options or {})}.items()),
        )
        self.port = self._server.add_insecure_port(f"{host}:{port}")
        self.address = f"{host}:{self.port}"

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a call."""
        answer = self._answers.get(details.method)
        return grpc.unary_unary_rpc_method_handler(answer) if answer else None

    def stop(self, grace_s: float | None = None) -> None:
        """Give the calls in flight so long, and end."""
        self._server.stop(grace_s).wait()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._threads.shutdown()
