"""Serving the page on this machine."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from orchestrator import wiring
from orchestrator.errors import RequestError
from orchestrator.model.audit import Actor
from orchestrator.page.app import make
from orchestrator.page.context import Context
from orchestrator.page.guard import HOST, Door
from orchestrator.ports import DeadLetters
from orchestrator.services import Services

PORT = 8733
#: Ports that are tried, from the first one on.
_TRIED = 20
#: A client that says nothing for so long is cut off.
_SILENCE_S = 30
#: The end of a page beside other work is noticed after this time.
_POLL_S = 0.1


def serve(
    services: Services,
    actor: Actor,
    port: int = PORT,
    *,
    dead_letters: Callable[[], DeadLetters] | None = None,
    tell: Callable[[str], None],
) -> None:
    """Serve the page until this process is told to end (SIGINT, SIGTERM).

    Args:
        services: The world.
        actor: The person, for the audit.
        port: The port; if it is taken, the next free one.
        dead_letters: Gives the dead letters; by default those of the services' settings.
        tell: Is given each link that lets a browser in, first of all the first one.

    Raises:
        RequestError: No port is free.
    """
    server = bind(services, actor, port, dead_letters=dead_letters, tell=tell)

    def end(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


@contextmanager
def beside(
    services: Services,
    actor: Actor,
    port: int = PORT,
    *,
    dead_letters: Callable[[], DeadLetters] | None = None,
    tell: Callable[[str], None],
) -> Iterator[int]:
    """Serve the page in a thread, as `serve` does, while the caller does something else; yields the port.

    Raises:
        RequestError: No port is free.
    """
    server = bind(services, actor, port, dead_letters=dead_letters, tell=tell)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="page", daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bind(
    services: Services,
    actor: Actor,
    port: int = PORT,
    *,
    dead_letters: Callable[[], DeadLetters] | None = None,
    tell: Callable[[str], None],
) -> BaseWSGIServer:
    """A server that listens, whose first link is told; `serve_forever` answers.

    Raises:
        RequestError: No port is free.
    """
    listening = _listen(port)
    door = Door(listening.getsockname()[1], tell)
    context = Context(
        services=services,
        actor=actor,
        dead_letters=dead_letters or (lambda: wiring.dead_letters(services.settings)),
        door=door,
    )
    server = make_server(
        HOST,
        door.port,
        make(context),
        threaded=True,
        request_handler=_Handler,
        fd=listening.fileno(),
    )
    # The server has a copy of the socket.
    listening.close()
    tell(door.link())
    return server


def _listen(port: int) -> socket.socket:
    for number in range(port, min(port + _TRIED, 65_536)):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, number))
            listening.listen()
        except OSError as error:
            listening.close()
            if error.errno != errno.EADDRINUSE:
                raise RequestError(
                    f"port {number}: {error.strerror}", action="choose another: --port"
                ) from error
        else:
            return listening
    raise RequestError(f"ports {port} to {port + _TRIED - 1} are in use", action="choose another: --port")


class _Handler(WSGIRequestHandler):
    """Says nothing about itself, and writes no log of requests: links have tokens."""

    timeout = _SILENCE_S

    def version_string(self) -> str:
        """The `Server` header."""
        return "page"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Errors are logged by the application."""
