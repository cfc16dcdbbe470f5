"""The embedded queue's dead letters: rows of its file.

Taken rows stay in place, and others may take them too: it is one developer's queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orchestrator.adapters.embedded.queue import open_file
from orchestrator.ports import DeadMessage


class LocalDeadLetters:
    """The DeadLetters port on the queue's SQLite file.

    Args:
        path: The file; made with its directory on first use.
    """

    def __init__(self, path: Path) -> None:
        self._database = open_file(path)

    def close(self) -> None:
        """Close the file; using it again opens it again."""
        self._database.close()

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
