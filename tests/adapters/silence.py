"""Servers that take a call and never finish their answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

#: A server gives up by itself only after so long: then nobody else has.
PATIENCE_S = 60.0
_PIECE_EVERY_S = 0.05
_STREAMING = {"BatchGetDocuments", "RunQuery", "RunAggregationQuery"}


@dataclass
class Silence:
    """A server that accepts connections, says a fixed part of an answer, and no more."""

    url: str = ""
    host: str = ""
    #: The called gRPC methods, or a note of each connection.
    calls: list[str] = field(default_factory=list)
    #: Seconds that each gRPC call had left when it arrived; None if it had no deadline.
    left_s: list[float | None] = field(default_factory=list)
    #: Set when a caller stayed to the server's own end.
    outlasted: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def silent(begun: bytes = b"", drop: bytes = b"") -> Iterator[Silence]:
    """Answer each connection with `begun`, and then with `drop` again and again, without an end."""
    server = Silence()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(16) as pool:
        server.host = f"127.0.0.1:{listener.getsockname()[1]}"
        server.url = f"http://{server.host}"
        listener.settimeout(_PIECE_EVERY_S)

        def answer(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(_PIECE_EVERY_S)
                pieces = int(PATIENCE_S / _PIECE_EVERY_S)
                for number in range(pieces):
                    try:
                        connection.sendall(drop if number else begun)
                        if not connection.recv(65_536):
                            return
                    except TimeoutError:
                        pass
                    except OSError:
                        return
                    if server.over.is_set():
                        return
                server.outlasted.set()

        def accept() -> None:
            while not server.over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                server.calls.append("connected")
                pool.submit(answer, connection)

        pool.submit(accept)
        try:
            yield server
        finally:
            server.over.set()


@contextmanager
def silent_service(*, drips: bool = False) -> Iterator[Silence]:
    """A gRPC server that takes any call; a streaming one it answers for ever if it `drips`."""
    server = Silence()

    def wait(context: grpc.ServicerContext) -> None:
        server.left_s.append(context.time_remaining())
        ended = threading.Event()
        if context.add_callback(ended.set) and not ended.wait(PATIENCE_S):
            server.outlasted.set()

    def one(request: bytes, context: grpc.ServicerContext) -> bytes:
        wait(context)
        return b""

    def many(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        if not drips:
            wait(context)
            return
        server.left_s.append(context.time_remaining())
        for _ in range(int(PATIENCE_S / _PIECE_EVERY_S)):
            if not context.is_active():
                return
            yield b""
            server.over.wait(_PIECE_EVERY_S)
        server.outlasted.set()

    class Anything(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc ships no types
        def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
            name = handler_call_details.method.rpartition("/")[2]
            server.calls.append(name)
            if name in _STREAMING:
                return grpc.unary_stream_rpc_method_handler(many)
            return grpc.unary_unary_rpc_method_handler(one)

    service = grpc.server(ThreadPoolExecutor(8))
    service.add_generic_rpc_handlers([Anything()])
    server.host = f"127.0.0.1:{service.add_insecure_port('127.0.0.1:0')}"
    service.start()
    try:
        yield server
    finally:
        server.over.set()
        service.stop(None).wait()
