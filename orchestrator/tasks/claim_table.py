"""Who may work on a connection: the protocol's claim table, as one pure function.

A wrong answer to a question about time does no harm: time decides who waits, the precondition on
`sync_state` decides who writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from orchestrator.model import ids
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.messages import Message
from orchestrator.model.run import Selection
from orchestrator.model.state import Cursor, Lease, Open, SyncState, refused_for
from orchestrator.tasks.ending import TOO_LATE, Ending, closed_state, skipped

#: A wait up to this long is slept; a longer one is left to the next run.
SLEPT = timedelta(seconds=60)
#: A message younger than this is not looked up among the closed tasks.
FRESH = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Finished:
    """This run's task is closed, or may be: look, repeat the close check, acknowledge."""

    #: Whether the state alone proves it; else shard and record decide.
    certain: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Close the task without a claim."""

    ending: Ending
    #: Written in the same commit; None if the stored one cannot be read.
    state: SyncState | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait this long, then read and decide again."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Watch:
    """Another invocation seems to work on it: look again, and claim if nothing moves."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing to do now: acknowledge."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Take the lease with this state."""

    state: SyncState
    #: The older run's task that the claim closes with it.
    older: Open | None = None
    #: Whether the worker looks for changes first and claims only when there is something to write.
    looks: bool = False


Decision = Finished | Close | Sleep | Watch | Leave | Claim


@dataclass(frozen=True, slots=True)
class View:
    """The input of a decision."""

    message: Message
    state: SyncState
    #: None if the connection document is gone.
    status: ConnectionStatus | None
    #: The connection's own marketplace; None if its document does not tell.
    marketplace: str | None
    #: When people last edited the connection.
    edited_at: datetime | None
    selection: Selection
    #: Whether a person asked for this run.
    is_manual: bool
    now: datetime
    owner: str
    lease: timedelta
    run_length: timedelta
    #: Whether shard and record were read after the state, and the task is not final.
    known_open: bool = False
    #: Whether the holder has been watched and shows no sign of life.
    holder_silent: bool = False
    #: Whether this delivery has looked in vain: the state was written meanwhile, perhaps by a closing commit.
    has_looked: bool = False


def decide(view: View) -> Decision:
    """The protocol's table, row by row."""
    message, state, now = view.message, view.state, view.now
    opened, last = state.open, state.last_run
    if message.deadline_at is None:
        return Leave()
    is_mine = opened is not None and opened.is_of(message.run_id, message.shard)
    if message.heal and not is_mine:
        # It was sent for an open task. That task is closed by now, even if its record has expired.
        return Finished(certain=True)
    if not is_mine:
        # Before anything else is decided: a task without a record could be counted again.
        if last is not None and last.is_of(message.run_id, message.shard):
            return Finished(certain=True)
        if not view.known_open and _may_be_final(view):
            return Finished(certain=False)
    if opened is None:
        if skip := _skip_closed(view):
            return _skip(view, skip)
        if now > message.deadline_at:
            return Close(TOO_LATE, closed_state(state, message.run_id, message.order, message.shard))
        if _is_held(view):
            return Watch()  # somebody checks the credential, and may be replacing its token
        return _when_due(view, Claim(_claimed(view, None), looks=_may_look(view)))
    if is_mine:
        if _is_held(view):
            return Watch()
        if state.lease.owner is None and _waits(state, now):
            return Leave()
        return _when_due(view, Claim(_claimed(view, opened)))
    return _another(view, opened)


def _is_held(view: View) -> bool:
    """Whether somebody has the lease, and has not been watched in vain."""
    lease = view.state.lease
    return lease.owner is not None and not lease.is_over(view.now) and not view.holder_silent


def _may_look(view: View) -> bool:
    """Whether a connection without an open task is looked at without a lease.

    A claim comes first if there is certainly something to write, if a lease would be of use to others, or if
    an earlier delivery may have died: only claims are counted as attempts.
    """
    message, state = view.message, view.state
    is_late = message.deadline_at is None or view.now + view.lease > message.deadline_at
    if is_late or message.heal or message.redelivered or view.has_looked:
        return False
    if view.selection.full or view.selection.streams is not None or state.requested_full:
        return False
    if state.lease.not_before is not None or state.untold is not None or not state.streams:
        return False
    return all(
        stream.cursor.since is not None and stream.cursor.window is None and not stream.cursor.full
        for stream in state.streams.values()
    )


def _another(view: View, opened: Open) -> Decision:
    """Another task of the connection is open: of another run, or of another shard of this run."""
    message, state, now = view.message, view.state, view.now
    if opened.run_id == message.run_id and (skip := _unwanted(view)):
        # The run has this connection in two shards; the one of its former marketplace gives way.
        return _skip(view, skip)
    if not state.lease.is_over(now) or opened.order > message.order:
        return _skip(view, "waiting" if _waits(state, now, timedelta(0)) else "overlap")
    return Claim(_claimed(view, None), older=opened)


def _may_be_final(view: View) -> bool:
    """Whether the shard has to tell if this task is final.

    Earlier releases close a task without a trace in the state. Where one may have done so, the record of an
    old message is looked up too, and that of a message that meets another run's work.
    """
    message, state = view.message, view.state
    if state.may_have_closed(message.order):
        return True
    if state.leaves_no_record(view.now):
        return False
    assert message.deadline_at is not None  # noqa: S101 - decide() has looked
    is_old = view.now - (message.deadline_at - view.run_length) > FRESH
    return is_old or view.has_looked or state.open is not None


def _skip(view: View, reason: str) -> Close:
    """The task ends as skipped; a `full` request that met another run's work is kept for the next task."""
    message = view.message
    state = closed_state(view.state, message.run_id, message.order, message.shard)
    if view.selection.full and reason in {"overlap", "waiting"}:
        state = msgspec.structs.replace(state, requested_full=True)
    return Close(skipped(view.state, reason, view.now), state)


def _unwanted(view: View) -> str | None:
    """Why a connection takes no part in the message's run any more; None if it does."""
    if view.status is None or view.status is ConnectionStatus.DISCONNECTED or view.state.removing:
        # While a removal is not finished, it may still delete records: none is stored under its id.
        return "gone"
    if view.marketplace not in {None, ids.marketplace_of(view.message.shard)}:
        return "gone"
    return "paused" if view.status is ConnectionStatus.PAUSED else None


def _skip_closed(view: View) -> str | None:
    """Why a connection without an open task is skipped; None if it is not."""
    if (unwanted := _unwanted(view)) is not None:
        return unwanted
    if _waits(view.state, view.now):
        return "waiting"
    refused_at = view.state.refused_at
    if refused_at is None or view.is_manual or (view.edited_at is not None and view.edited_at > refused_at):
        return None
    return "needs_attention" if view.now < refused_at + refused_for(view.state.refusals) else None


def _when_due(view: View, claim: Claim) -> Decision:
    """The claim, after sleeping the rest of a short wait."""
    not_before = view.state.lease.not_before
    if not_before is not None and view.now < not_before:
        return Sleep((not_before - view.now).total_seconds())
    return claim


def _claimed(view: View, opened: Open | None) -> SyncState:
    """The state with this invocation as the holder."""
    message, state = view.message, view.state
    if opened is not None:
        opened = msgspec.structs.replace(
            opened,
            slice=max(opened.slice, message.slice),
            attempts=opened.attempts + 1,
            claims=opened.claims + 1,
        )
    else:
        assert message.deadline_at is not None  # noqa: S101 - decide() has looked
        opened = Open(
            run_id=message.run_id,
            order=message.order,
            deadline_at=message.deadline_at,
            shard=message.shard,
            slice=message.slice,
            started_at=view.now,
            streams=view.selection.streams,
        )
        state = _with_requests(state, view.selection)
    lease = Lease(
        owner=view.owner,
        fence=state.lease.fence + 1,
        expires_at=view.now + view.lease,
        not_before=None,
        quiet_from=_quiet_from(view),
    )
    last, untold = state.last_run, state.untold
    if state.open is not None and not state.open.is_of(message.run_id, message.shard):
        # Taking over closes the older task here too; this task tells its changes.
        last = state.latest_run(state.open.run_id, state.open.order, state.open.shard)
        untold = state.owed
    return msgspec.structs.replace(
        state,
        seq=state.seq + 1,
        open=opened,
        lease=lease,
        last_run=last,
        untold=untold,
        marketplace=state.marketplace or message.marketplace,
        # People may write a document where a removed connection's tombstone is; a live state never expires.
        removed_at=state.removed_at if state.removing else None,
        expires_at=None,
    )


def _quiet_from(view: View) -> datetime:
    """The state's own time; else the time when no message is left that an earlier release has handled."""
    if view.state.lease.quiet_from is not None:
        return view.state.lease.quiet_from
    return view.now + view.run_length + view.lease if view.state.seq else view.now


def _with_requests(state: SyncState, selection: Selection) -> SyncState:
    """A `full` request starts the chosen streams from the beginning and writes every record again."""
    if not (selection.full or state.requested_full):
        return state
    streams = {
        name: msgspec.structs.replace(stream, cursor=Cursor(full=True))
        if selection.streams is None or name in selection.streams or state.requested_full
        else stream
        for name, stream in state.streams.items()
    }
    return msgspec.structs.replace(state, streams=streams, requested_full=False)


def _waits(state: SyncState, now: datetime, slack: timedelta = SLEPT) -> bool:
    """Whether the marketplace asked for a wait longer than `slack`."""
    return state.lease.not_before is not None and state.lease.not_before > now + slack
