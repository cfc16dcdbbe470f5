"""`make run` with SYNC_CHANGES: a consumer on this machine is told of every connection's records."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.folder import Folder
from local.processes import ROOT
from orchestrator.adapters.embedded.change_feed import LocalChanges
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.ports import Query
from tests.support.waiting import wait_until
from tests.system.stack.test_local_run import SMALL, command

pytestmark = pytest.mark.processes


class Consumer:
    """Keeps the events that are pushed to it."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        taken = self.events

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                pushed = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                taken.append(json.loads(base64.b64decode(pushed["message"]["data"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/changes"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    """A consumer on this machine."""
    made = Consumer()
    yield made
    made.close()


def test_a_run_tells_of_every_connection(tmp_path: Path, consumer: Consumer) -> None:
    """The counts of the events are the stored records; what was left at the stack's end is told later."""
    done = subprocess.run(
        command("run", tmp_path, *SMALL),
        cwd=ROOT,
        env={**os.environ, "SYNC_CHANGES": f"local:{consumer.url}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Folder(tmp_path)
    store = SqliteStore(folder.store)
    names = {snapshot.id for snapshot in store.query(Query("connections", limit=100))}
    stored = {
        (name, stream): store.count(f"connections/{name}/{stream}")
        for name in names
        for stream in ("orders", "products", "inventory")
    }
    store.close()

    left = LocalChanges(tmp_path / "store-changes.db", consumer.url)
    left.start()
    wait_until(lambda: names <= {event["data"]["connection_id"] for event in consumer.events})
    left.close()

    told = {
        (event["data"]["connection_id"], stream): each["written"]
        for event in consumer.events
        for stream, each in event["data"]["streams"].items()
    }
    assert told == {key: count for key, count in stored.items() if count}
    assert consumer.url in folder.environment.read_text()
