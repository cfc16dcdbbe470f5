"""Lets a new local stack continue the work of an interrupted one at once.

On Google Cloud a dead worker's lease has to expire, because nobody can know earlier that the worker is
dead. A local stack knows it: the process that holds the folder's lock is alone, and starts its workers
later.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from orchestrator.model.documents import from_document, to_document
from orchestrator.model.state import SyncState
from orchestrator.ports import DocumentStore, Query, Update

_PAGE = 300


def end_leases(store: DocumentStore) -> None:
    """End the leases of killed workers, so that the next run can take over their connections.

    A connection whose marketplace asked to wait keeps its lease. Call this while no worker runs.
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
