"""The time that a request's body may take."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from werkzeug.exceptions import RequestTimeout

#: A whole body has this long to arrive.
BODY_SECONDS = 10.0


@contextmanager
def time_limit(environ: Mapping[str, Any]) -> Iterator[None]:
    """Give a request's body BODY_SECONDS to arrive, however slowly its pieces come.

    Another server than gunicorn has its own limits.

    Raises:
        RequestTimeout: It did not arrive in time; whatever was read of it is incomplete.
    """
    sock = environ.get("gunicorn.socket")
    has_body = environ.get("CONTENT_LENGTH") not in {None, "", "0"} or "HTTP_TRANSFER_ENCODING" in environ
    if sock is None or not has_body:
        yield
        return
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RD)  # a blocked read returns at once

    timer = threading.Timer(BODY_SECONDS, expire)
    timer.daemon = True
    timer.start()
    late = RequestTimeout(f"the body did not arrive within {BODY_SECONDS:g} seconds")
    try:
        yield
    except Exception as error:
        if expired.is_set():
            raise late from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise late
