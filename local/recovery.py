"""What an interrupted local stack left behind is free to be gone on with.

On Google Cloud a dead worker's lease runs out by itself, and until then nobody can know that it is
dead. Here it is known: whoever holds the folder's lock is alone, and no worker runs yet.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from orchestrator.model.documents import from_document, to_document
from orchestrator.model.state import SyncState
from orchestrator.ports import DocumentStore, Query, Update

_PAGE = 300


def end_leases(store: DocumentStore) -> None:
    """End the leases of workers that were killed, so that the next run takes their connections over.

    A connection whose marketplace asked to wait is left alone. Call it while no worker runs.
    """
    now = datetime.now(UTC)
    after: tuple[str, ...] | None = None
    while page := store.query(Query("sync_state", after=after, limit=_PAGE)):
        for snapshot in page:
            state = from_document(SyncState, snapshot.data)
            if state.open is None or (state.lease.not_before is not None and state.lease.not_before > now):
                continue
            lease = msgspec.structs.replace(state.lease, owner=None, expires_at=now)
            fields = {"lease": to_document(lease), "seq": state.seq + 1}
            store.commit([Update(snapshot.path, fields, version=snapshot.version)])
        after = (page[-1].id,)
