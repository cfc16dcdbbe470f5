"""A network that forgets connections: neither end is told, and all that is sent over them is lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 65_536


@dataclass(eq=False)
class _Way:
    """One connection through the network."""

    client: socket.socket
    server: socket.socket
    loses_requests: threading.Event = field(default_factory=threading.Event)
    loses_answers: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def carry(self, source: socket.socket, target: socket.socket, loses: threading.Event) -> None:
        """Carry bytes one way, until the source's end."""
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                if not loses.is_set():
                    target.sendall(piece)
        self.ended.set()
        if not loses.is_set():
            self.close()

    def close(self) -> None:
        """Close both ends."""
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass(eq=False)
class Network:
    """The way to one server, over TCP."""

    host: str
    #: All connections that were made, the oldest first.
    ways: list[_Way] = field(default_factory=list)

    def drop(self, *, answers_only: bool = False) -> None:
        """Forget the connections that there are; later ones work."""
        for way in self.ways:
            way.loses_answers.set()
            if not answers_only:
                way.loses_requests.set()


@contextmanager
def network(server: str) -> Iterator[Network]:
    """The way to `HOST:PORT`."""
    name, _, port = server.rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Network(f"127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    way = _Way(client, socket.create_connection((name, int(port))))
                    made.ways.append(way)
                    for arguments in (
                        (way.client, way.server, way.loses_requests),
                        (way.server, way.client, way.loses_answers),
                    ):
                        threading.Thread(target=way.carry, args=arguments, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for way in made.ways:
                way.close()
