"""Reading the connection document, which people may have written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from orchestrator.errors import ConnectionInvalid
from orchestrator.model import STREAMS, Connection


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
    if connection.reconcile_hours < 1:
        raise ConnectionInvalid(
            f"connections/{connection_id}: reconcile_hours: {connection.reconcile_hours}; it takes 1 or more",
            action="correct the connection document",
        )
    unknown = [name for name in connection.streams if name not in STREAMS]
    if unknown or not connection.streams:
        raise ConnectionInvalid(
            f"connections/{connection_id}: streams: {', '.join(unknown) or 'none given'}; "
            f"known are {', '.join(STREAMS)}",
            action="correct the connection document",
        )
    return connection
