"""Keeps an exact copy of all records in a SQLite file: `python exact_copy.py PROJECT SUBSCRIPTION FILE`."""

import json
import sqlite3
import sys
from datetime import UTC, datetime
from typing import Any

from google.cloud import firestore, pubsub_v1

STREAMS = ("orders", "products", "inventory")
COLUMNS = "connection, stream, id, record, PRIMARY KEY (connection, stream, id)"


def apply(database: sqlite3.Connection, store: firestore.Client, event: dict[str, Any]) -> None:
    """Bring the copy up to date with one event; it may come late, twice, or in any order."""
    name = event["data"]["connection_id"]
    since = {stream: each["since"] for stream, each in event["data"].get("streams", {}).items()}
    with database:
        database.execute("BEGIN IMMEDIATE")  # one at a time: the later one reads the later state
        if event["type"] == "marketplace-sync.connection.purged.v1":
            database.execute("DELETE FROM records WHERE connection = ?", (name,))
            since = dict.fromkeys(STREAMS, datetime.min.replace(tzinfo=UTC).isoformat())
        for stream, moment in since.items():
            found = store.collection("connections", name, stream)
            changed = firestore.FieldFilter("synced_at", ">=", datetime.fromisoformat(moment))
            for each in found.where(filter=changed).stream():
                key, record = (name, stream, each.id), each.to_dict() or {}
                database.execute("DELETE FROM records WHERE (connection, stream, id) = (?, ?, ?)", key)
                if record["deleted_at"] is None:
                    text = json.dumps(record, default=str)
                    database.execute("INSERT INTO records VALUES (?, ?, ?, ?)", (*key, text))


def main(project: str, subscription: str, file: str) -> None:
    """Apply events as they come; an event is acknowledged once its changes are stored."""
    store = firestore.Client(project)

    def take(message: Any) -> None:
        database = sqlite3.connect(file, timeout=600, isolation_level=None)
        database.execute(f"CREATE TABLE IF NOT EXISTS records ({COLUMNS})")
        apply(database, store, json.loads(message.data))
        database.close()
        message.ack()

    with pubsub_v1.SubscriberClient() as subscriber:
        subscriber.subscribe(subscriber.subscription_path(project, subscription), take).result()


if __name__ == "__main__":
    main(*sys.argv[1:])
