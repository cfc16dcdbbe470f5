"""Servers that answer with too much."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: The pieces of one answer's body, by how many answers there were before.
Body = Callable[[int], Iterator[bytes]]
MIB = 1024 * 1024


class _Server(ThreadingHTTPServer):
    #: All tasks of a worker may connect at once.
    request_queue_size = 128


@contextmanager
def answering(body: Body, *, encoding: str = "") -> Iterator[str]:
    """A server whose every answer is JSON in chunks; yields its URL."""
    answers = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            nonlocal answers
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            if encoding:
                self.send_header("Content-Encoding", encoding)
            self.end_headers()
            pieces = body(answers)
            answers += 1
            with suppress(OSError):  # whoever has had enough hangs up
                for piece in pieces:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def listing(*offers: bytes, token: bytes = b"null") -> bytes:
    """A page of offers."""
    return b'{"items":[%b],"continuation_token":%b}' % (b",".join(offers), token)


def offer(offer_id: str, more: bytes = b"") -> bytes:
    """An offer, with further fields."""
    return b'{"offer_id":"%b","status":"buyable","title":"t"%b}' % (offer_id.encode(), more)


def packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, gzipped."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    for piece in pieces:
        if made := compressor.compress(piece):
            yield made
    yield compressor.flush()
