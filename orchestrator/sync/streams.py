"""All streams of a task, one after the other; a stream that fails or has to wait does not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from orchestrator import log_context
from orchestrator.errors import (
    CredentialsRejected,
    PermissionDenied,
    QueueUnavailable,
    RateLimited,
    SecretUnavailable,
    StoreUnavailable,
    SyncError,
    locate,
)
from orchestrator.marketplaces.spec import Limiter
from orchestrator.model import ids
from orchestrator.model.counts import ErrorInfo, StreamCounts
from orchestrator.model.state import Refused, StreamState
from orchestrator.sync.migration import turns
from orchestrator.sync.migration.history import rewrite
from orchestrator.sync.pages import SliceOver
from orchestrator.sync.stream_sync import sync_stream
from orchestrator.sync.task_context import TaskContext
from orchestrator.sync.windows import is_scope_of
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
    #: Why the marketplace refuses the credential itself; None unless no stream was accepted.
    refused: ErrorInfo | None = None
    #: Streams whose credential was refused while it was not known whether others are accepted.
    _suspects: dict[str, CredentialsRejected] = field(default_factory=dict)

    def run(self) -> None:
        """Work on every stream that is due.

        Raises:
            SliceOver: Time is up.
            Lost, Stopped: See Holder.
            StoreUnavailable: Our own side failed. So do QueueUnavailable and SecretUnavailable.
        """
        worked = False
        for name in self._due():
            if self._is_limited(name):
                continue
            if worked and self.task.time_left() <= 0:
                raise SliceOver  # the session may still be reading an abandoned page of the stream before
            worked = True
            self._work(name)
            if len(self._suspects) > 1 and not self._is_accepted:
                break
        for name, error in self._suspects.items():
            if self._is_accepted:
                self._refuse(name, error)
            else:
                self.refused = msgspec.structs.replace(self._note(name, error), stream=None)
        self._rewrite_history()

    def _rewrite_history(self) -> None:
        """Continue migrations, if it is the connection's turn and this tick's changes are stored.

        They make no call while the marketplace limits the calls: changes need them more.
        """
        over_at = turns.over_at(self.task)
        if self.refused is not None or self.limited_until is not None:
            return
        names, slept_s = self._stored(), self.task.session.client.slept_s
        with suppress(SliceOver):
            for name in names:
                if self.task.services.clock.monotonic() >= over_at or self.task.time_left() <= 0:
                    break
                if self.task.holder.state.streams[name].migration:
                    self._rewrite(name, over_at)
        if self._is_cut_short(names, over_at) and self.task.session.client.slept_s == slept_s:
            raise SliceOver

    def _stored(self) -> list[str]:
        """The streams whose changes this task has stored, in this slice or before it."""
        opened = self.task.holder.open
        counts = {**opened.progress, **self.counts}
        known = self.task.holder.state.streams.keys() & self.task.connector.streams.keys() & counts.keys()
        wanted = known.intersection(self.task.connection.streams)
        return [name for name in (*opened.done, *self.done) if name in wanted and counts[name].error is None]

    def _is_cut_short(self, names: Sequence[str], over_at: float) -> bool:
        """Whether a short first slice has ended the turn: a page may take longer than all of it."""
        task = self.task
        if not task.is_short or task.services.stopping() or self.limited_until is not None:
            return False
        is_left = any(task.holder.state.streams[name].migration for name in names)
        return is_left and task.time_left() <= 0 and task.services.clock.monotonic() < over_at

    def _rewrite(self, name: str, over_at: float) -> None:
        """Continue one stream's migration; raises as `run` does, SliceOver if no other may continue."""
        clock, counts = self.task.services.clock, self.counts.setdefault(name, StreamCounts())
        begun = clock.monotonic()
        try:
            with log_context.bind(stream=name):
                failure = rewrite(self.task, self.task.connector.streams[name], counts, over_at)
            if failure is not None:
                self._note(name, failure)
        except RateLimited as error:
            self._hold_back(name, self._allowed_at(error), error.message)
            raise SliceOver from error
        except (SliceOver, Lost, Stopped, StoreUnavailable, QueueUnavailable, SecretUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - a defect fails the stream alone
            self._note(name, _told(error))
        finally:
            counts.duration_s = round(counts.duration_s + clock.monotonic() - begun, 3)

    def _work(self, name: str) -> None:
        """Bring one stream up to date, or note why that cannot be done now; raises as `run` does."""
        clock = self.task.services.clock
        counts = self.counts[name] = StreamCounts()
        begun = clock.monotonic()
        try:
            with log_context.bind(stream=name):
                failure = sync_stream(self.task, self.task.connector.streams[name], counts)
        except RateLimited as error:
            if self.task.time_left() <= error.wait_s <= SLEPT.total_seconds():
                raise SliceOver from error
            self._limit(name, self._allowed_at(error), error.message)
        except (SliceOver, Lost, Stopped, StoreUnavailable, QueueUnavailable, SecretUnavailable):
            raise
        except CredentialsRejected as error:
            # Whether this is the credential or the stream, the other streams tell.
            self._suspects[name] = error
        except PermissionDenied as error:
            self._refuse(name, error)
        except Exception as error:  # noqa: BLE001 - a defect fails its stream
            self._note(name, _told(error))
        else:
            if failure is not None:
                # A part of the listing failed. The rest is read at every tick: the stream does not wait.
                self._note(name, failure)
            else:
                self.done.append(name)
            self._change(name, refused=None)
        finally:
            counts.duration_s = round(clock.monotonic() - begun, 3)

    def _due(self) -> list[str]:
        """Streams to work on: those in the middle of a window come after the others."""
        connection, states = self.task.connection, self.task.holder.state.streams
        opened, now = self.task.holder.open, self.task.services.clock.now()
        wanted = opened.streams or connection.streams
        # If a person asked for the run, resting and refused streams are read too.
        is_manual = ids.has_options(self.task.run_id)
        names = []
        for name in connection.streams:
            if name not in wanted or name not in self.task.connector.streams or name in opened.done:
                continue
            state = states.get(name, StreamState())
            refused = state.refused
            if state.not_before is not None and now < state.not_before:
                self._wait(name, state.not_before, state.waits_for)
                self.limited_until = max(self.limited_until or state.not_before, state.not_before)
            elif is_manual:
                names.append(name)
            elif refused is not None and now < refused.until and connection.updated_at <= refused.at:
                self._wait(name, refused.until, refused.error.message, refused.error)
            elif (
                state.rests_until is not None and now < state.rests_until and not self._is_edited(name, state)
            ):
                self._wait(name, state.rests_until, "it rests, because its last listing took long")
            else:
                names.append(name)
        return sorted(names, key=lambda name: name in states and states[name].cursor.window is not None)

    def _is_edited(self, name: str, state: StreamState) -> bool:
        """Whether the stream's records depend on something that has changed: then it does not rest."""
        return not is_scope_of(state.scope, self.task.connector.streams[name], self.task.connection)

    @property
    def _is_accepted(self) -> bool:
        """Whether the marketplace has accepted the credential for some stream of this task."""
        opened = self.task.holder.open
        done = {*opened.done, *self.done}
        return any(
            name not in self._suspects and (counts.seen > 0 or (name in done and counts.error is None))
            for name, counts in {**opened.progress, **self.counts}.items()
        )

    def _is_limited(self, name: str) -> bool:
        """Whether the stream has to wait because of another stream of this slice."""
        return self.counts.get(name, StreamCounts()).waits_until is not msgspec.UNSET

    def _allowed_at(self, error: RateLimited) -> datetime:
        """When the marketplace allows the next call; one that tells no time gets a while as well."""
        return self.task.services.clock.now() + max(timedelta(seconds=error.wait_s), SLEPT)

    def _limit(self, name: str, until: datetime, why: str) -> None:
        """Leave a stream until the marketplace allows it; one of the whole key holds all back."""
        for each in self._hold_back(name, until, why):
            if each not in self.done:
                self._wait(each, until, why)
        self.limited_until = max(self.limited_until or until, until)

    def _hold_back(self, name: str, until: datetime, why: str) -> list[str]:
        """Let no later task call before then; returns the streams that the limit binds."""
        connector = self.task.connector
        is_shared = connector.limiter is Limiter.CONNECTION
        names = [each for each in self.task.connection.streams if each in connector.streams]
        bound = names if is_shared else [name]
        for each in bound:
            self._change(each, not_before=until, waits_for=why)
        return bound

    def _refuse(self, name: str, error: SyncError) -> None:
        """Leave a stream that the marketplace refuses for a while; the others continue at every tick."""
        before = self.task.holder.state.streams.get(name, StreamState()).refused
        times = before.times + 1 if before is not None else 1
        now = self.task.services.clock.now()
        self._change(name, refused=Refused(at=now, times=times, error=self._note(name, error)))

    def _wait(self, name: str, until: datetime, why: str, error: ErrorInfo | None = None) -> None:
        """Tell in the task's record that a stream waits."""
        counts = self.counts.setdefault(name, StreamCounts())
        counts.waits_until, counts.waits_for, counts.error = until, why, error or counts.error

    def _change(self, name: str, **changes: object) -> None:
        """Leave changes of a stream's state to the next commit."""
        holder = self.task.holder
        state = holder.state.streams.get(name, StreamState())
        holder.set_stream(name, msgspec.structs.replace(state, **changes))

    def _note(self, name: str, error: SyncError) -> ErrorInfo:
        noted = self.counts[name].error = note(error, stream=name)
        self.done.append(name)
        return noted


def _told(error: Exception) -> SyncError:
    """An error as it is told; another delivery would only meet a defect again."""
    if isinstance(error, SyncError):
        return error
    return SyncError(f"defect: {locate(error)}", action="report it with the worker's log")


def note(error: SyncError, *, stream: str | None = None) -> ErrorInfo:
    """Log an error that ends a task or one of its streams, and return it in the documents' form."""
    log.warning(
        "%s failed: %s%s",
        *(stream or "the sync", error.message, f"; remedy: {error.action}" if error.action else ""),
        extra={
            "action": "sync_failed",
            "kind": error.kind,
            "stream": stream,
            "remedy": error.action or None,
        },
    )
    return ErrorInfo(kind=error.kind, message=error.message, action=error.action, stream=stream)
