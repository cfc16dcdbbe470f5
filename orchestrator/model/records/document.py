"""Documents of records: the record's fields, and the envelope: its owner and the time of its last write."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from orchestrator.errors import RecordInvalid
from orchestrator.model.connection import Connection
from orchestrator.model.documents import document_bytes, to_document
from orchestrator.model.records.record import Record

#: Version of the documents' form. A field may be added within a version; another meaning is a new one.
SCHEMA = 2
#: The largest row that a document keeps as `raw`.
MAX_RAW_BYTES = 256 * 1024
#: A record whose document is larger becomes a reject; a document may have 1 MiB.
MAX_RECORD_BYTES = 900_000
#: The fields that a document loses until it fits, in this order: nobody ships, counts or joins by them.
#: A name with a dot is a field of each item of a list.
SHED = (
    "raw",
    "description_html",
    "description",
    "variants.image_url",
    "variants.barcodes",
    "variants.options",
    "lines.properties",
    "lines.options",
    "lines.variant_title",
)
#: A document's size is at most this many times that of the record's JSON: a digit and its comma take 8 bytes.
_MOST_BYTES_A_JSON_BYTE = 4
#: At least the size of a path and of the envelope: two ids of 1,500 bytes, names, and small values.
_MOST_BYTES_BESIDE = 10_000
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


def add_raw(document: dict[str, Any], raw: bytes | None) -> None:
    """Keep a record's row as text; one that could not be searched for personal data, or is large, is null.

    It is a text, because a map may have names and depths that the store refuses, and an index for each.
    """
    is_kept = raw is not None and len(raw) <= MAX_RAW_BYTES
    document["raw"] = raw.decode() if raw is not None and is_kept else None
    if not is_kept:
        document["truncated"] = sorted({*document.get("truncated", ()), "raw"})


def vanished_fields(stream: str, now: datetime, synced_at: datetime) -> dict[str, Any]:
    """The changes to the document of a record that is no longer listed.

    A vanished order is neither shipped nor counted as revenue, so that lists and sums need no condition on
    `deleted_at`.
    """
    fields: dict[str, Any] = {"deleted_at": now, SYNCED_AT: synced_at}
    return fields | ({"to_ship": False, "net_micros": None} if stream == "orders" else {})


def fit(path: str, document: dict[str, Any], json_bytes: int) -> int:
    """Make a record's document small enough for the store; returns about its size in bytes.

    The fields that it loses are named in `truncated`. This comes after hashing, so it never makes a change.

    Args:
        path: The document's path.
        document: The document, which is changed.
        json_bytes: The size of the record's JSON.

    Raises:
        RecordInvalid: The document is too large even without all that it can lose.
    """
    raw_bytes = len((document.get("raw") or "").encode())
    # Counting walks through the document, so only the size of a large one is counted.
    if _MOST_BYTES_A_JSON_BYTE * json_bytes + raw_bytes + _MOST_BYTES_BESIDE <= MAX_RECORD_BYTES:
        return json_bytes + raw_bytes
    size = document_bytes(path, document)
    for name in SHED:
        if size <= MAX_RECORD_BYTES:
            return size
        if _drop(document, name):
            document["truncated"] = sorted({*document.get("truncated", ()), name})
            size = document_bytes(path, document)
    if size <= MAX_RECORD_BYTES:
        return size
    raise RecordInvalid(f"the record's document is {size} bytes; a document takes {MAX_RECORD_BYTES}")


def _drop(document: dict[str, Any], name: str) -> bool:
    """Remove an optional field's values; returns whether there were any.

    A field of the document itself becomes null, one of a list's items goes: there a default is left out.
    """
    listed, _, field = name.rpartition(".")
    if not listed:
        return document.get(field) is not None and document.update({field: None}) is None
    dropped = [item.pop(field) for item in document.get(listed) or () if field in item]
    return bool(dropped)
