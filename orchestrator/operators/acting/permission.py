"""Whether the credentials in use may write, found out without writing."""

from __future__ import annotations

from orchestrator.errors import Conflict, SyncError
from orchestrator.model import ids
from orchestrator.ports import DocumentStore, Update

#: No connection has it: people's ids begin with a letter or digit.
_NOBODY = "-permission-"


def may_write(store: DocumentStore) -> bool:
    """Send a commit that cannot succeed: a document that does not exist is to be changed.

    A store first asks who commits, then looks at the document. So a conflict means that this identity may
    write, and any other refusal means that it may not, or that nothing can be written now.
    """
    try:
        store.commit([Update(ids.connection_path(_NOBODY), {"seen": True})])
    except Conflict:
        return True
    except SyncError:
        return False
    return True
