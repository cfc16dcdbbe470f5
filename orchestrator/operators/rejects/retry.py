"""Reading rejected records again, from the marketplace: a reject keeps its record cut and scrubbed."""

from __future__ import annotations

import msgspec

from orchestrator.errors import NotPossible, RequestError
from orchestrator.model import ids
from orchestrator.model.audit import Actor
from orchestrator.model.connection import STREAMS
from orchestrator.operators.connections import not_found
from orchestrator.ports import Filter
from orchestrator.runs.start import Started, TriggerRequest, start_manual
from orchestrator.services import Services


class Retried(msgspec.Struct, kw_only=True, frozen=True):
    """The run that reads rejected records again."""

    run: Started
    connection_id: str
    #: The streams that it reads from the beginning, and their rejects.
    rejects: dict[str, int]


def retry_rejects(services: Services, connection_id: str, *, by: Actor, stream: str | None = None) -> Retried:
    """Start a run that reads the streams with rejects from the beginning and writes every record.

    A record that is understood now is stored, and its reject goes; the others stay rejected. Without it, a
    record is read again only when it changes, or when its stream is reconciled.

    Args:
        services: The world.
        connection_id: The connection.
        by: Who asks.
        stream: Only this stream.

    Raises:
        RequestError: An unknown stream.
        NotFound: No such connection.
        NotPossible: It has no reject there, or is being synced now.
    """
    if stream is not None and stream not in STREAMS:
        raise RequestError(f"stream: {stream[:40]!r} is unknown; it takes {', '.join(STREAMS)}")
    if not ids.is_document_id(connection_id):
        raise not_found(connection_id)
    collection = f"{ids.connection_path(connection_id)}/rejects"
    counts = {
        name: services.store.count(collection, [Filter("stream", "==", name)])
        for name in ([stream] if stream is not None else STREAMS)
    }
    rejects = {name: count for name, count in counts.items() if count}
    if not rejects:
        if services.store.get(ids.connection_path(connection_id)) is None:
            raise not_found(connection_id)
        of = f" of {stream}" if stream is not None else ""
        raise NotPossible(
            f"connection {connection_id} has no reject{of}",
            action=f"`marketplace-sync rejects list --connection {connection_id}` lists its rejects",
        )
    request = TriggerRequest(connection_ids=[connection_id], streams=list(rejects), full=True)
    run = start_manual(services, request, by=by, idempotency_key=None)
    return Retried(run=run, connection_id=connection_id, rejects=rejects)
