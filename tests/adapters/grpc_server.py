"""A small real gRPC server: answers the methods of one service with given functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc


class Failure(Exception):
    """An error that a method answers with instead of a message."""

    def __init__(self, code: grpc.StatusCode, details: str = "") -> None:
        super().__init__(details)
        self.code = code
        self.details = details


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its message types, as proto-plus classes, and its answer."""

    request: Any
    response: Any
    answer: Callable[[Any], Any]
    streams: bool = False


@contextmanager
def serving(service: str, methods: Mapping[str, Method]) -> Iterator[str]:
    """Serve until the block ends; gives `HOST:PORT`."""
    handlers = {name: _handler(method) for name, method in methods.items()}
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def _handler(method: Method) -> grpc.RpcMethodHandler:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method.answer(request)
        except Failure as failure:
            context.abort(failure.code, failure.details)

    def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield answer(request, context)

    make = grpc.unary_stream_rpc_method_handler if method.streams else grpc.unary_unary_rpc_method_handler
    return make(
        stream if method.streams else answer,
        request_deserializer=method.request.deserialize,
        response_serializer=method.response.serialize,
    )
