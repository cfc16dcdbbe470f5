"""All streams of a task, one after the other; a stream that fails or has to wait does not stop the others."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from orchestrator import log_context
from orchestrator.errors import (
    CredentialsRejected,
    QueueUnavailable,
    RateLimited,
    SecretUnavailable,
    StoreUnavailable,
    SyncError,
    locate,
)
from orchestrator.model import ids
from orchestrator.model.counts import ErrorInfo, StreamCounts
from orchestrator.model.state import StreamState
from orchestrator.sync.pages import SliceOver
from orchestrator.sync.stream_sync import sync_stream
from orchestrator.sync.task_context import TaskContext
from orchestrator.sync.windows import scope_of
from orchestrator.tasks.claim_table import SLEPT
from orchestrator.tasks.holder import Lost, Stopped

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Streams:
    """A slice's work on the streams of its connection, and its outcome."""

    task: TaskContext
    #: This slice's counts, by stream.
    counts: dict[str, StreamCounts] = field(default_factory=dict)
    #: Brought to an end in this slice, well or not.
    done: list[str] = field(default_factory=list)
    #: When the marketplace allows the last of the streams that have to wait.
    limited_until: datetime | None = None

    def run(self) -> None:
        """Work on every stream that is due.

        Raises:
            SliceOver: Time is up.
            Lost, Stopped: See Holder.
            StoreUnavailable: Our own side failed. So do QueueUnavailable and SecretUnavailable.
        """
        clock = self.task.services.clock
        for name in self._due():
            if self.counts and self.task.time_left() <= 0:
                raise SliceOver  # the session may still be reading an abandoned page of the stream before
            counts = self.counts[name] = StreamCounts()
            begun = clock.monotonic()
            try:
                with log_context.bind(stream=name):
                    sync_stream(self.task, self.task.connector.streams[name], counts)
            except RateLimited as error:
                if self.task.time_left() <= error.wait_s <= SLEPT.total_seconds():
                    raise SliceOver from error
                # A marketplace that says "wait" without a time gets a while as well.
                wait = max(timedelta(seconds=error.wait_s), SLEPT)
                self._limit(name, clock.now() + wait, wait)
            except (SliceOver, Lost, Stopped, StoreUnavailable, QueueUnavailable, SecretUnavailable):
                raise
            except SyncError as error:
                self._note(name, error)
                if isinstance(error, CredentialsRejected):
                    return
            except Exception as error:  # noqa: BLE001 - a defect fails its stream
                # Another delivery would only meet the defect again.
                defect = SyncError(f"defect: {locate(error)}", action="report it with the worker's log")
                self._note(name, defect)
            else:
                self.done.append(name)
            finally:
                counts.duration_s = round(clock.monotonic() - begun, 3)

    def _due(self) -> list[str]:
        """Streams to work on: those in the middle of a window come after the others."""
        connection, states = self.task.connection, self.task.holder.state.streams
        opened, now = self.task.holder.open, self.task.services.clock.now()
        wanted = opened.streams or connection.streams
        # If a person asked for the run, resting streams are read too.
        is_manual = ids.has_options(self.task.run_id)
        names = []
        for name in connection.streams:
            if name not in wanted or name not in self.task.connector.streams or name in opened.done:
                continue
            state = states.get(name, StreamState())
            if state.not_before is not None and now < state.not_before:
                self._limit(name, state.not_before)
            elif is_manual or not self._rests(name, state, now):
                names.append(name)
        return sorted(names, key=lambda name: name in states and states[name].cursor.window is not None)

    def _rests(self, name: str, state: StreamState, now: datetime) -> bool:
        if state.rests_until is None or now >= state.rests_until:
            return False
        # An edited connection does not wait.
        return state.scope == scope_of(self.task.connector.streams[name], self.task.connection)

    def _limit(self, name: str, until: datetime, wait: timedelta = timedelta(0)) -> None:
        """Leave a stream until the marketplace allows it; the wait holds no other stream back."""
        holder = self.task.holder
        state = holder.state.streams.get(name, StreamState())
        holder.set_stream(
            name, msgspec.structs.replace(state, not_before=until, took_s=state.took_s + wait.total_seconds())
        )
        self.limited_until = max(self.limited_until or until, until)

    def _note(self, name: str, error: SyncError) -> None:
        self.counts[name].error = note(error, stream=name)
        self.done.append(name)


def note(error: SyncError, *, stream: str | None = None) -> ErrorInfo:
    """Log an error that ends a task or one of its streams, and return it in the documents' form."""
    log.warning("%s", error.message, extra={"action": "sync_failed", "kind": error.kind, "stream": stream})
    return ErrorInfo(kind=error.kind, message=error.message, action=error.action, stream=stream)
