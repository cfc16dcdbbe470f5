"""Serves a sandbox's answers from memory: `python -m bench.ready --port N --sandbox URL --until TIME`.

The sandbox makes its rows while it answers, which takes longer than a client needs to read them. This process
asks it only once for each request and repeats its answers, so that a client waits for nothing. Requests that
differ only in times after the sandbox's newest record are the same: a window ends at the moment it is read.
"""

from __future__ import annotations

import argparse
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import urllib3

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d(?::|%3A)\d\d(?::|%3A)\d\d", re.IGNORECASE)
_PASSED_ON = frozenset({"authorization", "content-type", "x-shopify-access-token", "x-api-key"})
#: Headers that the server itself writes.
_OWN = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})


class Answer(NamedTuple):
    """An answer of the sandbox's."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Answers:
    """The sandbox's answers by request.

    Args:
        sandbox: The sandbox's URL.
        until: The time of its newest record, as ISO 8601.
    """

    def __init__(self, sandbox: str, until: str) -> None:
        self._sandbox, self._until = sandbox, until
        self._http = urllib3.PoolManager(maxsize=8, retries=False)
        self._kept: dict[tuple[str, str, str], Answer] = {}

    def key(self, method: str, path: str, body: bytes) -> tuple[str, str, str]:
        """The same for requests with the same answer."""
        return method, _TIME.sub(self._moment, path), _TIME.sub(self._moment, body.decode())

    def _moment(self, found: re.Match[str]) -> str:
        moment = found[0].upper().replace("%3A", ":")
        return "later" if moment > self._until[: len(moment)] else moment

    def get(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """The kept answer, else the sandbox's own, which is kept if it is a success."""
        key = self.key(method, path, body)
        if key in self._kept:
            return self._kept[key]
        told = self._http.request(method, self._sandbox + path, body=body, headers=headers)
        kept = [(name, value) for name, value in told.headers.items() if name.lower() not in _OWN]
        answer = Answer(told.status, kept, told.data)
        if answer.status == 200:
            self._kept[key] = answer
        return answer


def handler(answers: Answers) -> type[BaseHTTPRequestHandler]:
    """The server's handler of requests."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet for headers and body
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED_ON}
            answer = answers.get(self.command, self.path, body, headers)
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _answer  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Write nothing."""

    return Handler


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sandbox", required=True)
    parser.add_argument("--until", required=True)
    options = parser.parse_args()
    answers = Answers(options.sandbox, options.until)
    ThreadingHTTPServer(("127.0.0.1", options.port), handler(answers)).serve_forever()


if __name__ == "__main__":
    main()
