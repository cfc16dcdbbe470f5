"""The embedded task queue: messages in a SQLite file, posted to the worker as Pub/Sub's push does.

Any process that holds the queue may become its deliverer; see `orchestrator.adapters.embedded.delivery`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from orchestrator.adapters.attributes import attributes, buried
from orchestrator.adapters.embedded.database import Database
from orchestrator.adapters.embedded.delivery import Deliverer, Delivery
from orchestrator.errors import QueueUnavailable
from orchestrator.model.messages import Message, encode
from orchestrator.ports import DeadMessage

_APPLICATION_ID = 0x6D736D71  # "msmq": marketplace-sync message queue
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL,
    attributes TEXT NOT NULL,
    published_at REAL NOT NULL,
    -- When it may be claimed: a new message's not_before, or the end of a back-off.
    due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    claimed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX messages_due ON messages (due_at, id);
CREATE TABLE dead_messages (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    attributes TEXT NOT NULL,
    published_at REAL NOT NULL,
    attempts INTEGER NOT NULL,
    died_at REAL NOT NULL
);
"""
_INSERT = "INSERT INTO messages (body, attributes, published_at, due_at) VALUES (?, ?, ?, ?)"


class QueueCounts(NamedTuple):
    """The queue's messages by state."""

    #: Due now, or waiting for a redelivery.
    waiting: int
    #: With the worker.
    delivering: int
    #: Published with a `not_before` in the future.
    held: int
    #: Dead letters.
    dead: int


def _open(path: Path) -> Database:
    """The queue's file."""
    return Database(
        path,
        application_id=_APPLICATION_ID,
        schema=_SCHEMA,
        schema_version=_SCHEMA_VERSION,
        unavailable=QueueUnavailable,
    )


class LocalQueue:
    """The TaskQueue port on a SQLite file; safe for threads, processes and forks.

    Args:
        path: The file; made with its directory on first use.
        worker_url: The URL that messages are posted to.
        delivery: How messages are pushed.
        delivers: Whether this process may become the deliverer, or only publishes.
    """

    def __init__(
        self, path: Path, worker_url: str, *, delivery: Delivery | None = None, delivers: bool = True
    ) -> None:
        self._database = _open(path)
        self._worker_url = worker_url
        self._delivery = delivery or Delivery()
        self._delivers = delivers
        self._deliverer: Deliverer | None = None
        self._starting = threading.Lock()
        # A child lacks its parent's threads, and may have been forked while one of them held a lock.
        os.register_at_fork(after_in_child=self._begin_process)

    def _begin_process(self) -> None:
        if self._deliverer is not None:
            self._deliverer.unlock()
        self._deliverer = None
        self._starting = threading.Lock()

    def publish(self, messages: Sequence[Message], *, not_before: datetime | None = None) -> None:
        """Store the messages in one commit; they are posted at once, or from `not_before` on."""
        bodies = [(encode(message), attributes(message)) for message in messages]
        self.post(bodies, due_at=0.0 if not_before is None else not_before.timestamp())

    def post(self, bodies: Sequence[tuple[bytes, Mapping[str, str]]], *, due_at: float = 0.0) -> None:
        """Store bodies with their attributes, to be posted from `due_at` on, in seconds since 1970.

        Raises:
            QueueUnavailable: None was stored.
        """
        now = time.time()
        rows = [(body, msgspec.json.encode(given).decode(), now, max(now, due_at)) for body, given in bodies]
        if rows:
            with self._database.write() as connection:
                connection.executemany(_INSERT, rows)
        self.start()
        if self._deliverer is not None:
            self._deliverer.wake()

    def bury(self, body: bytes, *, reason: str, attributes: Mapping[str, str]) -> None:
        """Add a row to the dead messages."""
        now, text = time.time(), msgspec.json.encode(buried(attributes, reason)).decode()
        with self._database.write() as connection:
            # Its id comes from the queue's own sequence, so no later dead letter has the same.
            row_id = connection.execute(_INSERT, (body, text, now, now)).lastrowid
            connection.execute("DELETE FROM messages WHERE id = ?", (row_id,))
            connection.execute(
                "INSERT INTO dead_messages VALUES (?, ?, ?, ?, 1, ?)", (row_id, body, text, now, now)
            )

    def start(self) -> None:
        """Begin to deliver, also messages of earlier processes, unless another process is the deliverer."""
        with self._starting:
            if self._delivers and self._deliverer is None:
                self._deliverer = Deliverer(self._database, self._worker_url, self._delivery)
                self._deliverer.start()

    def close(self) -> None:
        """Stop delivering; the worker has a few seconds to answer the messages it was given."""
        if self._deliverer is not None:
            self._deliverer.stop()
            self._deliverer = None
        self._database.close()

    def counts(self) -> QueueCounts:
        """The messages by state, now."""
        with self._database.read() as connection:
            waiting, delivering, held = connection.execute(
                "SELECT coalesce(sum(NOT claimed AND NOT held), 0), coalesce(sum(claimed), 0),"
                " coalesce(sum(held), 0)"
                " FROM (SELECT claimed, attempts = 0 AND due_at > ? AS held FROM messages)",
                (time.time(),),
            ).fetchone()
            (dead,) = connection.execute("SELECT count(*) FROM dead_messages").fetchone()
        return QueueCounts(waiting, delivering, held, dead)

    def idle(self) -> bool:
        """Whether every message that is due was delivered."""
        counts = self.counts()
        return counts.waiting == counts.delivering == 0


class LocalDeadLetters:
    """The DeadLetters port on the queue's SQLite file.

    Taken rows stay in place, and others may take them too: it is one developer's queue.

    Args:
        path: The file; made with its directory on first use.
    """

    def __init__(self, path: Path) -> None:
        self._database = _open(path)

    def close(self) -> None:
        """Close the file; using it again opens it again."""
        self._database.close()

    def count(self) -> int:
        """Count the rows."""
        with self._database.read() as connection:
            (number,) = connection.execute("SELECT count(*) FROM dead_messages").fetchone()
        return int(number)

    def take(self, limit: int) -> list[DeadMessage]:
        """Read the oldest rows."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, body, attributes, published_at, died_at, attempts FROM dead_messages"
                " ORDER BY died_at, id LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            DeadMessage(
                id=str(row_id),
                body=body,
                attributes=msgspec.json.decode(attributes, type=dict[str, str]),
                published_at=datetime.fromtimestamp(published_at, UTC),
                died_at=datetime.fromtimestamp(died_at, UTC),
                deliveries=attempts,
                handle=row_id,
            )
            for row_id, body, attributes, published_at, died_at, attempts in rows
        ]

    def give_back(self, messages: Sequence[DeadMessage]) -> None:
        """Do nothing: the rows are still there."""

    def remove(self, messages: Sequence[DeadMessage]) -> None:
        """Delete the rows."""
        with self._database.write() as connection:
            connection.executemany(
                "DELETE FROM dead_messages WHERE id = ?", [(message.handle,) for message in messages]
            )
