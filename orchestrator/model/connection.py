"""A connection: one seller account on one marketplace, as people write it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from orchestrator.errors import ConnectionInvalid
from orchestrator.model.paces import INTERVALS

STREAMS = ("orders", "products", "inventory")
MARKETPLACES = ("amazon", "ebay", "shopify", "takealot", "woocommerce")

#: The `credential` of a connection whose credential is in `credentials/{connection_id}`, encrypted.
VAULT = "vault"

#: Firestore compares at most 1,500 bytes of a text.
OrganizationId = Annotated[str, msgspec.Meta(max_length=300)]
_Text = Annotated[str, msgspec.Meta(max_length=1_000)]


class ConnectionStatus(StrEnum):
    """A connection's status, as people set it."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISCONNECTED = "disconnected"


class Connection(msgspec.Struct, kw_only=True, frozen=True):
    """`connections/{connection_id}`: written by people, never by a sync."""

    organization_id: OrganizationId
    marketplace: _Text
    name: _Text
    status: ConnectionStatus
    #: A secret reference or `vault`, never the secret.
    credential: _Text
    settings: dict[str, Any] = {}
    streams: tuple[str, ...] = STREAMS
    #: Records changed (or, on rolling streams, created) before this are not requested.
    backfill_since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    store_buyer_pii: bool = False
    #: Whether each record's document keeps the marketplace's row as text, without personal data.
    keep_raw: bool = False
    #: How often a stream is listed as far back as it goes, for changes that no incremental feed shows.
    reconcile_hours: Annotated[int, msgspec.Meta(ge=1, le=8_784)] = 24
    #: Minutes between two tasks, one of INTERVALS; None: every tick covers it.
    interval_minutes: int | None = None
    #: The ticks that cover it, from `interval_minutes` and the id; `orchestrator.model.paces` tells how.
    pace: Any = None
    created_at: datetime
    updated_at: datetime


def connection_from_document(connection_id: str, document: Mapping[str, Any]) -> Connection:
    """Read a connection document, which people may have written.

    Raises:
        ConnectionInvalid: A field is missing or of the wrong type; the message names it.
    """
    try:
        connection = msgspec.convert(document, Connection)
    except msgspec.ValidationError as error:
        raise ConnectionInvalid(
            f"connections/{connection_id}: {error}", action="correct the connection document"
        ) from error
    if connection.interval_minutes not in {None, *INTERVALS}:
        raise ConnectionInvalid(
            f"connections/{connection_id}: interval_minutes: {connection.interval_minutes}; "
            f"it takes one of {', '.join(map(str, INTERVALS))}, or none",
            action="correct it with `connections set --interval`",
        )
    given = connection.streams
    unknown = [name for name in given if name not in STREAMS]
    if unknown or not given or len(set(given)) < len(given):
        raise ConnectionInvalid(
            f"connections/{connection_id}: streams: {', '.join(unknown or given) or 'none given'}; "
            f"it takes some of {', '.join(STREAMS)}, each once",
            action="correct the connection document",
        )
    return connection
