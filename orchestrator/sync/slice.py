"""A task message: claim the connection, work through its streams, hand over or finish."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from orchestrator.errors import (
    ConnectionInvalid,
    RateLimited,
    SecretMissing,
)
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.marketplaces.spec import Connector, Session
from orchestrator.model import ids
from orchestrator.model.connection import Connection, ConnectionStatus, connection_from_document
from orchestrator.model.counts import Cost, ErrorInfo, StreamCounts
from orchestrator.model.messages import Message
from orchestrator.model.run import TaskStatus
from orchestrator.model.state import Lease, Open, SyncState
from orchestrator.runs.close import check_shard
from orchestrator.runs.dispatch import too_old
from orchestrator.services import Services
from orchestrator.sync.metered_store import MeteredStore
from orchestrator.sync.pages import SliceOver
from orchestrator.sync.streams import Streams, note
from orchestrator.sync.work import Work
from orchestrator.tasks.claim import Claimed, Claimer
from orchestrator.tasks.claim_table import SLEPT
from orchestrator.tasks.ending import NO_ANSWER, Ending, closed_state, with_health
from orchestrator.tasks.holder import Lost, Stopped

log = logging.getLogger(__name__)

#: A wait is slept in naps, so that a process that has to end notices.
NAP_S = 1.0
#: Slices in a row that moved nothing; one more would go on for ever.
STALLED = 2
#: What the finishing commit itself writes: state, task, shard.
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
    claimed = Claimer(services, store, message).run()
    if claimed is not None:
        Slice(services, store, message, started, claimed).run()


@dataclass(slots=True)
class Slice:
    """One invocation's work as the holder of a connection."""

    services: Services
    store: MeteredStore
    message: Message
    started: float
    claimed: Claimed
    session: Session | None = None
    connection: Connection | None = None
    streams: Streams | None = None
    #: What went wrong apart from the streams.
    errors: list[ErrorInfo] = field(default_factory=list)

    def run(self) -> None:
        """Work until the task is finished, handed over, or lost to somebody else."""
        holder = self.claimed.holder
        try:
            self._work()
        except Lost:
            log.warning("the connection was taken over", extra={"action": "lease_lost"})
        except Stopped as stop:
            self._finish(TaskStatus.SKIPPED, stop.reason)
        except Exception:
            # Whatever failed, the redelivery should claim at once and not watch this invocation first.
            holder.release()
            raise

    @property
    def opened(self) -> Open:
        """The task being worked on, as last committed."""
        return self.claimed.holder.open

    def time_left(self) -> float:
        """Seconds until this slice, or the whole run, is over; none when the process has to end."""
        if self.services.stopping():
            return 0.0
        clock = self.services.clock
        slice_left = self.started + self.services.settings.slice_seconds - clock.monotonic()
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

    def _work(self) -> None:
        if self._is_over():
            return
        try:
            connector, connection = self._open()
        except (ConnectionInvalid, SecretMissing) as error:
            self.errors.append(note(error))
            self._finish(TaskStatus.FAILED, error.kind)
            return
        before = _cursors(self.claimed.holder.state)
        self.streams = self._streams(connector, connection)
        try:
            self.streams.run()
        except SliceOver:
            self._slice_over(moved=_cursors(self.claimed.holder.state) != before)
            return
        if self.streams.limited_until is not None:
            self._limited(self.streams.limited_until)
        else:
            failed = [
                counts.error for counts in self._progress().progress.values() if counts.error is not None
            ]
            self.errors += failed
            self._finish(
                TaskStatus.FAILED if failed else TaskStatus.SUCCEEDED, failed[0].kind if failed else None
            )

    def _is_over(self) -> bool:
        """Finish what must not be worked on: cancelled, too late, crashing, or no longer wanted."""
        opened = self.opened
        found = self.claimed.connection
        status = found.data.get("status") if found is not None else ConnectionStatus.DISCONNECTED
        if opened.cancel is not None:
            self._finish(TaskStatus.SKIPPED, opened.cancel)
        elif self.services.clock.now() > opened.deadline_at:
            if opened.has_progress:
                self._finish(TaskStatus.SUCCEEDED, None, incomplete=True)
            else:
                self.errors.append(NO_ANSWER)
                self._finish(TaskStatus.FAILED, NO_ANSWER.kind)
        elif opened.attempts > self.services.settings.max_attempts:
            self.errors.append(
                ErrorInfo(
                    kind="crashed",
                    message=f"{opened.attempts - 1} workers in a row ended without an answer",
                    action="look at the worker's memory and log; the next run tries again",
                )
            )
            self._finish(TaskStatus.FAILED, "crashed")
        elif status == ConnectionStatus.DISCONNECTED:
            self._finish(TaskStatus.SKIPPED, "gone")
        elif status == ConnectionStatus.PAUSED:
            self._finish(TaskStatus.SKIPPED, "paused")
        else:
            return False
        return True

    def _open(self) -> tuple[Connector, Connection]:
        services, connection_id = self.services, self.message.connection_id
        data = self.claimed.connection.data if self.claimed.connection is not None else {}
        self.connection = connection = connection_from_document(connection_id, data)
        connector = services.connectors.get(connection.marketplace)
        if connector is None:
            raise ConnectionInvalid(
                f"connections/{connection_id}: marketplace {connection.marketplace!r} is not known; "
                f"known are {', '.join(sorted(services.connectors))}",
                action="correct the connection document",
            )
        self.session = connector.open(
            SessionRequest(
                connection_id=connection_id,
                connection=connection,
                secrets=services.secrets,
                clock=services.clock,
                random=services.random,
                wait=self.wait,
                development=services.settings.is_development,
            )
        )
        return connector, connection

    def _streams(self, connector: Connector, connection: Connection) -> Streams:
        assert self.session is not None  # noqa: S101 - opened by the caller
        work = Work(
            services=self.services,
            store=self.store,
            holder=self.claimed.holder,
            connection=connection,
            connector=connector,
            session=self.session,
            run_id=self.message.run_id,
            time_left=self.time_left,
        )
        return Streams(work, self.opened, is_manual=ids.has_options(self.message.run_id))

    # Ending

    def _progress(self, *, writes: int = 0) -> Open:
        """The open task with this slice's counts and cost, and `writes` of the commit that stores it."""
        opened = self.opened
        progress = dict(opened.progress)
        for name, counts in (self.streams.counts if self.streams is not None else {}).items():
            progress[name] = progress.get(name, StreamCounts()).plus(counts)
        client = self.session.client if self.session is not None else None
        cost = Cost(
            document_reads=self.store.reads,
            document_writes=self.store.writes + writes,
            marketplace_calls=client.calls if client is not None else 0,
            marketplace_bytes=client.received_bytes if client is not None else 0,
        )
        cost.add(opened.cost or Cost())
        return msgspec.structs.replace(
            opened,
            progress=progress,
            cost=cost,
            done=(*opened.done, *(self.streams.done if self.streams is not None else ())),
        )

    def _slice_over(self, *, moved: bool) -> None:
        """Hand the task to a new invocation, unless the run is over or nothing moves."""
        opened = self.opened
        now = self.services.clock.now()
        if now >= opened.deadline_at:
            self._finish(TaskStatus.SUCCEEDED, None, incomplete=True)
            return
        stalled = 0 if moved or self.services.stopping() else opened.stalled + 1
        if stalled >= STALLED:
            self.errors.append(
                ErrorInfo(
                    kind="no_progress",
                    message=f"{STALLED} slices in a row did not move the checkpoint",
                    action="raise SLICE_SECONDS, or give the connection a later backfill_since",
                )
            )
            self._finish(TaskStatus.FAILED, "no_progress")
            return
        lease = msgspec.structs.replace(
            self.claimed.holder.state.lease,
            owner=None,
            expires_at=now + timedelta(seconds=self.services.settings.lease_seconds),
        )
        self._hand_over(lease=lease, stalled=stalled)
        following = msgspec.structs.replace(self.message, slice=opened.slice + 1, heal=False)
        self.services.queue.publish([following])

    def _limited(self, until: datetime) -> None:
        """Some streams have to wait: the next runs leave them out until they may be called again."""
        opened = self._progress()
        if opened.done or any(counts.error for counts in opened.progress.values()):
            failed = [counts.error for counts in opened.progress.values() if counts.error is not None]
            self.errors += failed
            if failed:
                self._finish(TaskStatus.FAILED, failed[0].kind)
            else:
                self._finish(TaskStatus.SUCCEEDED, "rate_limited", incomplete=True)
        elif until >= opened.deadline_at:
            self._finish_limited(until)
        else:
            self._defer(until)

    def _defer(self, until: datetime) -> None:
        """Nothing else is left to do: keep the task open; the next run or a heal goes on when it may."""
        lease = msgspec.structs.replace(
            self.claimed.holder.state.lease, owner=None, expires_at=until, not_before=until
        )
        self._hand_over(lease=lease, stalled=0)
        log.info("deferred until %s", until, extra={"action": "task_deferred"})
        following = msgspec.structs.replace(self.message, slice=self.opened.slice, heal=False)
        self.services.queue.publish([following], not_before=until)

    def _finish_limited(self, until: datetime) -> None:
        holder = self.claimed.holder
        lease = msgspec.structs.replace(holder.state.lease, not_before=until)
        holder.state = msgspec.structs.replace(holder.state, lease=lease)
        if self._progress().has_progress:
            self._finish(TaskStatus.SUCCEEDED, "rate_limited", incomplete=True)
        else:
            self._finish(TaskStatus.SKIPPED, "rate_limited")

    def _hand_over(self, *, lease: Lease, stalled: int) -> None:
        opened = msgspec.structs.replace(
            self._progress(writes=1), slice=self.opened.slice + 1, attempts=0, stalled=stalled
        )
        self.claimed.holder.commit(open=opened, lease=lease)

    def _finish(self, status: TaskStatus, reason: str | None, *, incomplete: bool = False) -> None:
        """Close the task, count it down, and close the run if it was the last."""
        services, message, holder = self.services, self.message, self.claimed.holder
        ending = Ending(status, reason, self.errors[0] if self.errors else None, incomplete)
        task = ending.task(
            services,
            message.connection_id,
            run_id=message.run_id,
            shard=message.shard,
            opened=self._progress(writes=_FINISH_WRITES),
            organization_id=self.connection.organization_id if self.connection is not None else None,
        )

        def close(state: SyncState) -> SyncState:
            return with_health(closed_state(state, message.run_id, message.order), task)

        try:
            still_open = holder.finish(close, task)
        except Lost:
            still_open = None
        log.info(
            "task %s",
            status.value,
            extra={
                "action": "task_finished",
                "status": status.value,
                "reason": reason,
                "incomplete": incomplete,
            },
        )
        check_shard(services, message.run_id, message.shard, still_open)


def _cursors(state: SyncState) -> dict[str, object]:
    return {name: stream.cursor for name, stream in state.streams.items()}
