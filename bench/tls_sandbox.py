"""`python -m bench.tls_sandbox PORT FOLDER HOSTS TLS CALL_MS`: a Shopify sandbox at many hosts, over TLS.

It listens on 127.0.0.1 and on HOSTS further loopback addresses, as if each shop had a host of its own. A call
takes CALL_MS milliseconds, as over a network: so tasks are at work at the same time, and the machine's cores
are the worker's. `FOLDER/tests.pem` is the authority to trust.
"""

from __future__ import annotations

import selectors
import socket
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.sandbox.arguments import Arguments
from local.sandbox.registry import serve
from tests.support.tls import Authority

#: Seconds that an idle connection is kept: so each tick has new ones, as it has in production.
KEPT_S = 3.0


def host(number: int) -> str:
    """The address of one of the hosts."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def main(port: int, folder: Path, hosts: int, *, tls: bool, call_s: float) -> None:
    """Serve until the process is ended."""
    until = datetime.now(UTC) - timedelta(hours=1)
    server = serve(Arguments(marketplace="shopify", orders=20, products=10, until=until), port=port)
    server.RequestHandlerClass.timeout = KEPT_S  # type: ignore[attr-defined] # socketserver's handlers have it
    answer = server.answer

    def slowly(request: object) -> object:
        time.sleep(call_s)
        return answer(request)  # type: ignore[arg-type] # it is passed on as it came

    server.answer = slowly  # type: ignore[assignment] # the same
    context = Authority(folder).context(*map(host, range(hosts))) if tls else None

    def serve_one(connection: socket.socket, address: object) -> None:
        with suppress(OSError), connection:
            wrapped = context.wrap_socket(connection, server_side=True) if context else connection
            server.finish_request(wrapped, address)
            server.shutdown_request(wrapped)

    selector = selectors.DefaultSelector()
    for number in range(hosts):
        listener = socket.create_server((host(number), port), backlog=32)
        selector.register(listener, selectors.EVENT_READ, data=listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        for key, _ in selector.select():
            threading.Thread(target=serve_one, args=key.data.accept(), daemon=True).start()


if __name__ == "__main__":
    main(
        int(sys.argv[1]),
        Path(sys.argv[2]),
        int(sys.argv[3]),
        tls=sys.argv[4] == "tls",
        call_s=int(sys.argv[5]) / 1000,
    )
