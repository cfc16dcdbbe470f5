"""Open tasks: their last sign of life, and when another worker would take each over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from orchestrator.model import ids
from orchestrator.model.documents import attempt
from orchestrator.model.run import Shard
from orchestrator.model.state import Open, SyncState
from orchestrator.operators.tasks.windows import WindowProgress, windows
from orchestrator.ports import DocumentStore, Snapshot

#: Connections in the view of an open run.
OPEN_CONNECTIONS = 20
#: Shards that are looked into for them, at most: 64 documents each.
_LOOKED_INTO = 4
_WORKING, _WAITING, _BETWEEN, _NOT_STARTED = "working", "waiting", "between_slices", "not_started"
_ORDER = (_WORKING, _WAITING, _BETWEEN, _NOT_STARTED)


class OpenConnection(msgspec.Struct, kw_only=True, frozen=True):
    """A connection without a final task in an open run."""

    connection_id: str
    shard: str
    #: `working`, `between_slices`, `waiting` (the marketplace asked for it) or `not_started`.
    state: str
    attempts: int = 0
    slices: int = 0
    started_at: datetime | None = None
    not_before: datetime | None = None
    #: Records read so far.
    seen: int = 0
    #: The worker's last commit; None unless a worker is at it.
    last_sign_at: datetime | None = None
    #: Another worker takes over then, unless this one gives a sign of life before; None if nobody would.
    takeover_at: datetime | None = None
    #: The worker is asked to stop at its next commit: `cancelled`, `paused` or `gone`; None if it is not.
    cancel: str | None = None
    #: Its open windows.
    windows: list[WindowProgress] = []


def open_connections(
    store: DocumentStore,
    run_path: str,
    shards: Sequence[tuple[Snapshot, Shard]],
    lease_seconds: float | None,
) -> tuple[list[OpenConnection], list[str]]:
    """Connections of these shards without a final task, working ones first.

    Args:
        store: The documents.
        run_path: The run.
        shards: Its open shards. The first two are looked into, and more if they have few open tasks.
        lease_seconds: How long a lease lasts; None if that is not known.

    Returns:
        The connections, at most `OPEN_CONNECTIONS`; and the faults of states that cannot be read.
    """
    chosen, still_open = 0, 0
    while chosen < min(len(shards), _LOOKED_INTO) and (chosen < 2 or still_open < OPEN_CONNECTIONS):
        still_open += shards[chosen][1].open
        chosen += 1
    # A release before this one leaves a record alone.
    planned = [
        (snapshot.id, name)
        for snapshot, shard in shards[:chosen]
        for name in shard.ids
        if not shard.is_final(name)
    ]
    tasks = store.get_many([f"{run_path}/tasks/{name}" for _, name in planned])
    waited_for = [pair for pair, task in zip(planned, tasks, strict=True) if task is None][:OPEN_CONNECTIONS]
    states = store.get_many([ids.state_path(name) for _, name in waited_for])
    run_id = run_path.rpartition("/")[2]
    found: list[OpenConnection] = []
    faults: list[str] = []
    for (shard, name), snapshot in zip(waited_for, states, strict=True):
        state, fault = attempt(SyncState, snapshot) if snapshot is not None else (SyncState(), "")
        if state is None:
            faults.append(fault)
        elif state.open is None or state.open.run_id != run_id:
            found.append(OpenConnection(connection_id=name, shard=shard, state=_NOT_STARTED))
        else:
            found.append(_started(name, state, state.open, lease_seconds))
    return sorted(found, key=lambda each: _ORDER.index(each.state)), faults


def open_task(connection_id: str, state: SyncState, lease_seconds: float | None) -> OpenConnection | None:
    """The open task of a connection; None if there is none."""
    return _started(connection_id, state, state.open, lease_seconds) if state.open is not None else None


def _started(connection_id: str, state: SyncState, task: Open, lease_seconds: float | None) -> OpenConnection:
    lease = state.lease
    word, last_sign_at = _WORKING, None
    if lease.owner is None:
        word = _WAITING if lease.not_before is not None else _BETWEEN
    elif lease.expires_at is not None and lease_seconds is not None:
        # Each commit of the holder, and no other's, has the lease end this long after it.
        last_sign_at = max(task.started_at, lease.expires_at - timedelta(seconds=lease_seconds))
    return OpenConnection(
        connection_id=connection_id,
        shard=task.shard,
        state=word,
        attempts=task.attempts,
        slices=task.slice,
        started_at=task.started_at,
        not_before=lease.not_before,
        seen=_seen(task, state),
        last_sign_at=last_sign_at,
        takeover_at=lease.expires_at,
        cancel=task.cancel,
        windows=windows(state),
    )


def _seen(task: Open, state: SyncState) -> int:
    """Records read: by stream, the count of earlier slices or that of the open window, if it is higher.

    Each checkpoint of a window updates the window's count; a slice's count is added when the slice ends.
    """
    seen = {name: counts.seen for name, counts in task.progress.items()}
    for name, stream in state.streams.items():
        if stream.cursor.window is not None:
            seen[name] = max(seen.get(name, 0), stream.cursor.window.read)
    return sum(seen.values())
