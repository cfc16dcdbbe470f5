"""Documents of records: the record's fields, and the envelope: its owner and the time of its last write."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from orchestrator.model.connection import Connection
from orchestrator.model.documents import to_document
from orchestrator.model.record import Record

#: Version of the documents' form. A field may be added within a version; another meaning is a new one.
SCHEMA = 2
#: The field that tells a record's document from a reject's.
SYNCED_AT = "synced_at"


class Envelope(msgspec.Struct, kw_only=True, frozen=True):
    """The fields of every record's document beside the record's own; a digest does not cover them."""

    #: The connection's owner: the field that a tenant's queries and rules filter by.
    organization_id: str
    connection_id: str
    marketplace: str
    #: Version of the document's form; documents of version 1 lack the fields that came later.
    schema: int = SCHEMA
    #: Time of this write by the store's clock, at most a minute before the document could be read.
    synced_at: datetime
    #: When the record was found to be no longer listed; None while it is listed.
    deleted_at: datetime | None = None
    #: Hash of the record's id, by which the sync finds the documents of vanished records.
    id_hash: int

    @classmethod
    def of(cls, connection_id: str, connection: Connection, synced_at: datetime) -> Envelope:
        """The envelope of a connection's records, without the hash of an id."""
        return cls(
            organization_id=connection.organization_id,
            connection_id=connection_id,
            marketplace=connection.marketplace,
            synced_at=synced_at,
            id_hash=0,
        )


def document_of(record: Record, envelope: Envelope, id_hash: int) -> dict[str, Any]:
    """A record's document."""
    return {**to_document(record), **to_document(envelope), "id_hash": id_hash}


def vanished_fields(stream: str, now: datetime, synced_at: datetime) -> dict[str, Any]:
    """The changes to the document of a record that is no longer listed.

    A vanished order is neither shipped nor counted as revenue, so that lists and sums need no condition on
    `deleted_at`.
    """
    fields: dict[str, Any] = {"deleted_at": now, SYNCED_AT: synced_at}
    return fields | ({"to_ship": False, "net_micros": None} if stream == "orders" else {})
