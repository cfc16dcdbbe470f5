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
    given = connection.streams
    unknown = [name for name in given if name not in STREAMS]
    if unknown or not given or len(set(given)) < len(given):
        raise ConnectionInvalid(
            f"connections/{connection_id}: streams: {', '.join(unknown or given) or 'none given'}; "
            f"it takes some of {', '.join(STREAMS)}, each once",
            action="correct the connection document",
        )
    return connection
