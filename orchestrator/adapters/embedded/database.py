"""One SQLite file, shared by the threads and processes of one machine.

Write-ahead logging lets readers work beside the one writer. `synchronous=NORMAL`: a commit survives
the death of any process; a power cut may lose the last commits, but leaves the file consistent.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import SyncError

#: Seconds to wait for another process's commit before the file is reported as unavailable.
BUSY_S = 30.0
_PAGE_BYTES = 8192  # holds several 1 KB documents; the default of 4096 fits them badly
_CHECKPOINT_PAGES = 2048


class Database:
    """Connections to one file: made on demand, reused, never carried over a fork.

    Args:
        path: The file; it and its directory are made on first use.
        application_id: Marks the file as one of this kind (SQLite's `application_id`).
        schema: The statements that make an empty file ready; their version is `schema_version`.
        schema_version: A file with another one is refused.
        unavailable: The error raised for every fault of SQLite.
        prepare: Called with each new connection, to add functions.
    """

    def __init__(
        self,
        path: Path,
        *,
        application_id: int,
        schema: str,
        schema_version: int,
        unavailable: type[SyncError],
        prepare: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._application_id = application_id
        self._schema = schema
        self._schema_version = schema_version
        self._unavailable = unavailable
        self._prepare = prepare
        self._inherited: list[sqlite3.Connection] = []
        self._begin_process()

    def _begin_process(self) -> None:
        self._pid = os.getpid()
        self._idle: deque[sqlite3.Connection] = deque()
        # Python 3.13 warns of unclosed connections. Not at exit: a fork's exit is not its parent's.
        weakref.finalize(self, _close_all, self._idle).atexit = False
        # Writers of one process queue here, fairly; SQLite itself would poll.
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for one statement, or for several between the caller's BEGIN and COMMIT."""
        with self._translated():
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A connection inside an immediate transaction: committed, or rolled back on any error."""
        with self._translated():
            connection = self._take()
            writer = self._writer
            try:
                if not writer.acquire(timeout=BUSY_S):
                    raise sqlite3.OperationalError("database is locked")
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    try:
                        if connection.in_transaction:
                            connection.execute("ROLLBACK")
                    finally:
                        writer.release()
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close idle connections; using the database again opens it again."""
        _close_all(self._idle)

    def _take(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # Closing a connection that the parent opened could drop the parent's locks: keep it unused.
            self._inherited.extend(self._idle)
            self._idle.clear()
            self._begin_process()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.rollback()
        self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unavailable(
                f"{self.path.parent}: cannot be made: {error.strerror}",
                action="use a directory that can be written",
            ) from error
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            self._prepare(connection)
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute("PRAGMA cache_size = -4096")
            self._make_schema(connection)
            self._use_write_ahead_log(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _use_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        # Switching a new file over needs exclusive access, and SQLite does not wait for it.
        give_up_at = time.monotonic() + BUSY_S
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > give_up_at:
                    raise
                time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - jitter, not a secret
            else:
                return

    def _make_schema(self, connection: sqlite3.Connection) -> None:
        ours = (self._application_id, self._schema_version)
        if _marks(connection) == ours:
            return
        connection.execute("BEGIN IMMEDIATE")  # other processes may be making it at this moment
        application_id, version = marks = _marks(connection)
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if marks == ours:
            pass
        elif (*marks, tables) == (0, 0, 0):
            for statement in self._schema.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {self._application_id}")
            connection.execute(f"PRAGMA user_version = {self._schema_version}")
        elif application_id != self._application_id:
            raise self._unavailable(
                f"{self.path}: is another program's database, or one of another kind",
                action="name another file",
            )
        else:
            raise self._unavailable(
                f"{self.path}: has schema version {version}, this release needs {self._schema_version}",
                action="use the release that wrote the file, or name another file",
            )
        connection.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            message = str(error)
            if "not a database" in message or "malformed" in message:
                action = "the file is damaged or not SQLite: restore it, or remove it to start afresh"
            elif "locked" in message or "busy" in message:
                action = f"another process held it for {BUSY_S:.0f} s: end that process or try again"
            else:
                action = "check the disk's space, the file's permissions and that it is on a local disk"
            raise self._unavailable(f"{self.path}: {message}", action=action) from error


def _close_all(connections: deque[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    """The file's application id and its schema's version."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application_id, version
