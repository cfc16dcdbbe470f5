"""A task message: claim the connection, work through its streams, hand over or finish."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from orchestrator.errors import ConnectionInvalid, RateLimited, SecretMissing
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.metered_store import MeteredStore
from orchestrator.model.connection import Connection, ConnectionStatus, connection_from_document
from orchestrator.model.counts import Cost, ErrorInfo, StreamCounts
from orchestrator.model.freshness import with_cause
from orchestrator.model.messages import Message
from orchestrator.model.run import TaskStatus
from orchestrator.model.state import Open, SyncState
from orchestrator.runs.close import check_shard
from orchestrator.runs.dispatch import too_old
from orchestrator.services import Services
from orchestrator.sync.pages import SliceOver
from orchestrator.sync.streams import Streams, note
from orchestrator.sync.task_context import TaskContext
from orchestrator.sync.windows import is_scope_of
from orchestrator.tasks.claim import Claimed, Claimer
from orchestrator.tasks.claim_table import SLEPT
from orchestrator.tasks.ending import (
    TOO_LATE,
    Ending,
    closed_state,
    limited,
    log_finished,
    skipped,
    with_health,
)
from orchestrator.tasks.holder import Lost, Moved, Stopped
from orchestrator.tasks.telling import Teller, without_debt
from orchestrator.vault.credential import connector_for, secrets_of

log = logging.getLogger(__name__)

#: A wait is slept in naps, so that a process that has to end notices.
NAP_S = 1.0
#: A task fails after this many slices in a row without progress; it might never end otherwise.
STALLED = 2
#: A stream is late after this many tasks in a row that left it incomplete and read nothing new of it.
LATE = 4
#: Writes of the finishing commit itself: state, task, shard.
_FINISH_WRITES = 3


def run_task(services: Services, message: Message) -> None:
    """Work on one connection for one slice; safe to repeat, and by several workers at once.

    Raises:
        StoreUnavailable: Our own side failed; deliver again. So do QueueUnavailable and SecretUnavailable.
    """
    if too_old(message, services):
        return
    store = MeteredStore(services.store)
    started = services.clock.monotonic()
    claimer = Claimer(services, store, message)
    while (claimed := claimer.run()) is not None:
        try:
            Slice(services, store, message, started, claimed).run()
        except Moved:
            claimer.look_was_in_vain()
        else:
            return


@dataclass(slots=True)
class Slice:
    """One invocation's work as the holder of a connection."""

    services: Services
    store: MeteredStore
    message: Message
    started: float
    claimed: Claimed
    #: None until its document is read.
    connection: Connection | None = None
    #: None until the marketplace's session is open.
    streams: Streams | None = None

    def run(self) -> None:
        """Work until the task is finished, handed over, or lost to another worker.

        Raises:
            Moved: The connection was looked at without a lease, and somebody has written its state: decide
                again.
        """
        holder = self.claimed.holder
        try:
            # Changes of a task that was taken over, or that could not be told; the next commit clears them.
            holder.state = Teller(self.services).told(holder.connection_id, holder.state)
            ending = self._over() or self._work()
            if ending is not None:
                self._finish(ending)
        except Moved:
            raise
        except Lost:
            seconds = round(self.services.clock.monotonic() - self.started, 1)
            log.warning(
                "another worker took the connection over after %s s and continues from the last commit",
                seconds,
                extra={"action": "lease_lost", "seconds": seconds},
            )
            if not holder.is_continued(self.message.run_id, self.message.shard):
                check_shard(self.services, self.message.run_id, self.message.shard, None)
        except Stopped as stop:
            self._finish(Ending(TaskStatus.SKIPPED, stop.reason))
        except Exception:  # of any kind: the redelivery claims at once, and does not watch this one first
            holder.release()
            raise

    @property
    def opened(self) -> Open:
        """The task being worked on, as last committed."""
        return self.claimed.holder.open

    def time_left(self) -> float:
        """Seconds until this slice, or the whole run, is over; 0 if the process has to end."""
        if self.services.stopping():
            return 0.0
        clock, settings = self.services.clock, self.services.settings
        budget = settings.slice_seconds_of(is_continuation=self.message.is_continuation)
        slice_left = self.started + budget - clock.monotonic()
        return min(slice_left, (self.opened.deadline_at - clock.now()).total_seconds())

    def wait(self, seconds: float) -> None:
        """Sleep a short wait that fits the slice; leave a longer one to a later slice.

        Raises:
            RateLimited: The wait is too long to sleep.
        """
        if seconds > SLEPT.total_seconds() or seconds >= self.time_left():
            marketplace = self.message.marketplace
            raise RateLimited(f"{marketplace} asks to wait {seconds:.0f} s", wait_s=seconds)
        while seconds > 0 and not self.services.stopping():
            self.services.clock.sleep(min(seconds, NAP_S))
            seconds -= NAP_S

    def _over(self) -> Ending | None:
        """The end of a task that must not be worked on: cancelled, late, crashing, or no longer wanted."""
        opened = self.opened
        found = self.claimed.connection
        status = found.data.get("status") if found is not None else ConnectionStatus.DISCONNECTED
        if opened.cancel is not None:
            return Ending(TaskStatus.SKIPPED, opened.cancel)
        if self.services.clock.now() > opened.deadline_at:
            late = Ending(TaskStatus.SUCCEEDED, incomplete=True)
            return late if opened.has_progress else TOO_LATE
        if opened.attempts > self.services.settings.max_attempts:
            return Ending.failed(
                ErrorInfo(
                    kind="crashed",
                    message=f"{opened.attempts - 1} workers in a row ended without an answer",
                    action="look at the worker's memory and log; the next run tries again",
                )
            )
        if status == ConnectionStatus.DISCONNECTED or self.claimed.is_of_another_marketplace:
            return Ending(TaskStatus.SKIPPED, "gone")
        return Ending(TaskStatus.SKIPPED, "paused") if status == ConnectionStatus.PAUSED else None

    def _work(self) -> Ending | None:
        """Work on the streams; returns how the task ends, None if it was handed over."""
        try:
            self.streams = self._open()
        except (ConnectionInvalid, SecretMissing) as error:
            return Ending.failed(note(error))
        before = _cursors(self.claimed.holder.state)
        try:
            self.streams.run()
        except SliceOver:
            return self._slice_over(moved=_cursors(self.claimed.holder.state) != before)
        opened = self._progress()
        if self.streams.refused is not None:
            return Ending.failed(self.streams.refused)
        until = self.streams.limited_until
        if until is not None and not opened.done and until < opened.deadline_at:
            self._defer(until)
            return None
        failed = Ending.failed_streams(opened.progress.values())
        if failed is not None or until is None:
            return failed or Ending(TaskStatus.SUCCEEDED)
        return self._limited(opened, until)

    def _open(self) -> Streams:
        """Read the connection's document, and open a session with its marketplace."""
        services, connection_id = self.services, self.message.connection_id
        data = self.claimed.connection.data if self.claimed.connection is not None else {}
        self.connection = connection = connection_from_document(connection_id, data)
        connector = connector_for(services, connection_id, connection)
        session = connector.open(
            SessionRequest(
                connection_id=connection_id,
                connection=connection,
                secrets=secrets_of(services, self.store, connection_id, connection),
                clock=services.clock,
                random=services.random,
                wait=self.wait,
                development=services.settings.is_development,
                claim=self.claimed.holder.claim,
                troubled=self.claimed.holder.claim,
            )
        )
        task = TaskContext(
            services=services,
            store=self.store,
            holder=self.claimed.holder,
            connection=connection,
            connector=connector,
            session=session,
            run_id=self.message.run_id,
            is_short=not self._is_whole_slice(),
            time_left=self.time_left,
        )
        if _is_edited(task):
            task.holder.claim()  # everything is read anew
        return Streams(task)

    def _progress(self, *, writes: int = 0) -> Open:
        """The open task with this slice's counts and cost, and `writes` of the commit that stores it."""
        opened, streams = self.opened, self.streams
        cost = Cost(document_reads=self.store.reads, document_writes=self.store.writes + writes)
        progress, done = dict(opened.progress), opened.done
        if streams is not None:
            for name, counts in streams.counts.items():
                progress[name] = progress.get(name, StreamCounts()).plus(counts)
            done = (*done, *streams.done)
            client = streams.task.session.client
            cost.marketplace_calls, cost.marketplace_bytes = client.calls, client.received_bytes
        cost.add(opened.cost or Cost())
        return msgspec.structs.replace(opened, progress=progress, cost=cost, done=done)

    def _slice_over(self, *, moved: bool) -> Ending | None:
        """Hand the task to a new invocation, unless the run is over or the checkpoint does not move."""
        opened = self.opened
        now = self.services.clock.now()
        if now >= opened.deadline_at:
            return Ending(TaskStatus.SUCCEEDED, incomplete=True)
        stalled = 0 if moved or self.services.stopping() else opened.stalled + self._is_whole_slice()
        if stalled >= STALLED:
            return Ending.failed(
                ErrorInfo(
                    kind="no_progress",
                    message=f"{STALLED} slices in a row did not move the checkpoint",
                    action="raise SLICE_SECONDS, or give the connection a later backfill_since",
                )
            )
        over_at = now + timedelta(seconds=self.services.settings.lease_seconds)
        following = self._hand_over(stalled=stalled, expires_at=over_at)
        self.services.queue.publish([following])
        return None

    def _is_whole_slice(self) -> bool:
        """Whether this slice had the time that a page may take; a short first slice tells nothing."""
        settings = self.services.settings
        budget = settings.slice_seconds_of(is_continuation=self.message.is_continuation)
        return budget >= settings.slice_seconds

    def _defer(self, until: datetime) -> None:
        """Leave the task until the marketplace allows its streams; the next run or a heal continues it."""
        following = self._hand_over(stalled=0, throttled=True, expires_at=until, not_before=until)
        seconds = round((until - self.services.clock.now()).total_seconds(), 1)
        log.info(
            "throttled: the marketplace asks to wait %s s, until %s",
            *(seconds, until),
            extra={"action": "task_deferred", "seconds": seconds, "until": until},
        )
        self.services.queue.publish([following], not_before=until)

    def _limited(self, opened: Open, until: datetime) -> Ending:
        """End a task whose remaining streams have to wait; the next runs leave them until then."""
        incomplete = Ending(TaskStatus.SUCCEEDED, "rate_limited", incomplete=True)
        if opened.done:
            return incomplete
        holder, now = self.claimed.holder, self.services.clock.now()
        lease = msgspec.structs.replace(holder.state.lease, not_before=until)
        holder.state = msgspec.structs.replace(holder.state, lease=lease)
        return incomplete if opened.has_progress else skipped(holder.state, "rate_limited", now)

    def _hand_over(self, *, stalled: int, throttled: bool = False, **lease: datetime) -> Message:
        """Commit the progress and release the connection; returns the message for the next slice."""
        holder = self.claimed.holder
        opened = self._progress(writes=1)
        opened = msgspec.structs.replace(opened, slice=opened.slice + 1, attempts=0, stalled=stalled)
        state = msgspec.structs.replace(
            holder.state, lease=msgspec.structs.replace(holder.state.lease, owner=None, **lease)
        )
        wait = limited(state, self.services.clock.now()) if throttled else None
        if wait is not None:
            state = with_cause(state, wait)
        holder.commit(open=opened, lease=state.lease, cause=state.cause)
        return msgspec.structs.replace(self.message, slice=opened.slice, heal=False, redelivered=False)

    def _late(self) -> Ending | None:
        """Count the streams that this task has not brought on; the end of a task with a late one."""
        holder, now = self.claimed.holder, self.services.clock.now()
        done = {*self.opened.done, *(self.streams.done if self.streams is not None else ())}
        late = None
        for name, state in holder.state.streams.items():
            waits = state.not_before is not None and state.not_before > now
            if name in done or not (waits or state.cursor.window is not None):
                continue
            stuck = state.stuck + 1
            holder.set_stream(name, msgspec.structs.replace(state, stuck=stuck))
            if stuck > LATE:
                since = state.cursor.since.isoformat() if state.cursor.since is not None else "its beginning"
                why = f"; it waits until {state.not_before}: {state.waits_for}" if waits else ""
                late = ErrorInfo(
                    kind="late",
                    message=f"{name}: {stuck - 1} runs in a row read nothing new beyond {since}{why}",
                    action="look at its calls in the log: the marketplace limits them, or repeats itself",
                    stream=name,
                )
        return Ending(TaskStatus.FAILED, late.kind, late, incomplete=True) if late is not None else None

    def _finish(self, ending: Ending) -> None:
        """Close the task, count it down, and close the run if it was the last."""
        services, message, holder = self.services, self.message, self.claimed.holder
        if ending.incomplete:
            ending = self._late() or ending
        task = ending.task(
            services,
            message.connection_id,
            run_id=message.run_id,
            shard=message.shard,
            opened=self._progress(writes=_FINISH_WRITES),
            organization_id=self.connection.organization_id if self.connection is not None else None,
        )
        if not holder.is_recorded(task):
            task.cost.document_writes -= 1

        is_told = Teller(services).tell(message.connection_id, holder.state, holder.state.owed)

        def close(state: SyncState) -> SyncState:
            state = closed_state(state, message.run_id, message.order, message.shard)
            return with_health(without_debt(state) if is_told else state, task)

        try:
            # Streams that earlier slices have read may be those of the connection before an edit.
            is_edited = self.streams is not None and _is_edited(self.streams.task)
            still_open = holder.finish(close, task, is_edited=is_edited)
        except Moved:
            raise
        except Lost:
            still_open = None
        log_finished(task)
        check_shard(services, message.run_id, message.shard, still_open)


def _is_edited(task: TaskContext) -> bool:
    """Whether the last reading of some stream was that of the connection as it was before an edit."""
    streams = task.connector.streams
    return any(
        not is_scope_of(state.scope, streams[name], task.connection)
        for name, state in task.holder.state.streams.items()
        if name in task.connection.streams and name in streams
    )


def _cursors(state: SyncState) -> dict[str, object]:
    return {name: stream.cursor for name, stream in state.streams.items()}
