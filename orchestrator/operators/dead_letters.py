"""Dead letters: listing them, predicting the effect of a replay, and replaying them.

This is the protocol's Dead event. A message of an open task is published again. A message of a closed task
would be acknowledged without effect, so a new run syncs its connection instead; closed runs never change.

A replay may be interrupted at any point and repeated. Messages are removed only after their replacement was
published. A new run's id derives from the run of the dead messages, so that a repeated replay finds the
same run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Self

import msgspec

from orchestrator.errors import MessageInvalid, NotPossible
from orchestrator.model import ids, messages
from orchestrator.model.audit import Action, Actor
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.documents import attempt
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Selection, Task, TaskStatus, counted
from orchestrator.operators.paging import require_between
from orchestrator.ports import DeadLetters, DeadMessage, DocumentStore, Snapshot
from orchestrator.runs.audit import entry
from orchestrator.runs.start import Started, TriggerRequest, read_run, start_manual
from orchestrator.services import Services

#: Messages taken by one look or replay: by default, and at most.
LIMIT = 500
MOST = 5000
#: Messages published, or connections given to a new run, in a second.
PER_SECOND = 20.0
#: Messages that are published and removed between two pauses.
BATCH = 50
#: Messages that were taken are available to others again after ten minutes. A replay takes no more messages
#: than its pace can finish in this time.
_WORKED_S = 480.0
_READ = 300


class Effect(StrEnum):
    """The effect of a replay on a dead message."""

    PUBLISH = "publish again"
    NEW_RUN = "new run"
    REMOVE = "only remove"
    KEEP = "keep"


class Letter(msgspec.Struct, kw_only=True):
    """A dead message without its body, for people."""

    id: str
    #: None if the message is unreadable.
    kind: str | None
    run_id: str | None
    connection_id: str | None
    published_at: datetime
    died_at: datetime
    deliveries: int
    size_bytes: int
    effect: Effect
    #: The reason for the effect.
    why: str


class Wanted(msgspec.Struct, kw_only=True, frozen=True):
    """Selects dead messages: those that match, among the first `limit`."""

    connection_id: str | None = None
    run_id: str | None = None
    limit: int = LIMIT
    #: Whether unreadable messages are removed.
    discard_unreadable: bool = False


class Report(msgspec.Struct, kw_only=True, frozen=True):
    """The selected dead messages, each with its effect: predicted by `look`, done by `replay`."""

    letters: list[Letter]
    #: Whether there may be more dead messages.
    more: bool
    #: The new runs that the replay started.
    started: list[Started] = []


def look(services: Services, dead: DeadLetters, wanted: Wanted) -> Report:
    """List dead messages with the effect that a replay would have; changes nothing.

    Raises:
        RequestError: The limit is out of range.
        QueueUnavailable: Try again.
        StoreUnavailable: Try again.
    """
    require_between("limit", wanted.limit, 1, MOST)
    with _Taken(dead, wanted.limit) as taken:
        found = _judge(services, taken.messages, wanted)
    return Report(letters=[one.letter for one in found], more=len(taken.messages) == wanted.limit)


def replay(
    services: Services, dead: DeadLetters, wanted: Wanted, *, by: Actor, per_second: float = PER_SECOND
) -> Report:
    """Apply to each dead message the effect that `look` predicts, at a pace.

    It is safe to repeat, wherever an earlier replay ended.

    Args:
        services: The ports.
        dead: The dead letters.
        wanted: Selects among them.
        by: Who asks.
        per_second: Messages published, or connections given to a new run, in a second.

    Raises:
        RequestError: A number is out of range.
        QueueUnavailable: Some messages are not replayed yet; replay again.
        StoreUnavailable: Some messages are not replayed yet; replay again.
    """
    require_between("limit", wanted.limit, 1, MOST)
    require_between("per second", per_second, 0.1, 1000)
    limit = min(wanted.limit, int(per_second * _WORKED_S))
    started: list[Started] = []
    with _Taken(dead, limit) as taken:
        found = _judge(services, taken.messages, wanted)
        if found:
            # Messages are in no commit: it is recorded first.
            asked = entry(
                services,
                by,
                Action.REPLAY,
                connection_id=wanted.connection_id,
                run_id=wanted.run_id,
                details=f"{len(found):,} dead letters",
            )
            services.store.commit([asked])
        taken.remove(_having(Effect.REMOVE, found))
        pause_s = 0.0
        again = _having(Effect.PUBLISH, found)
        for batch in (again[start : start + BATCH] for start in range(0, len(again), BATCH)):
            services.clock.sleep(pause_s)
            services.queue.publish([one.message for one in batch if one.message is not None])
            taken.remove(batch)
            pause_s = len(batch) / per_second
        for run_id, group in _by_run(_having(Effect.NEW_RUN, found)).items():
            services.clock.sleep(pause_s)
            names = {one.letter.connection_id or "" for one in group}
            try:
                started += _start_runs(services, by, run_id, group[0].selection, names)
            except NotPossible as error:
                for one in group:
                    one.letter.effect, one.letter.why = Effect.KEEP, error.message
                pause_s = 0.0
            else:
                taken.remove(group)
                pause_s = len(names) / per_second
    return Report(letters=[one.letter for one in found], more=len(taken.messages) == limit, started=started)


@dataclass(slots=True)
class _Found:
    """A selected dead message."""

    #: None if it is unreadable.
    message: Message | None
    letter: Letter
    #: The streams that its run was asked for.
    selection: Selection


class _Taken:
    """Dead messages that are hidden from others; those that are not removed are given back at the end."""

    def __init__(self, dead: DeadLetters, limit: int) -> None:
        self._dead = dead
        self.messages = dead.take(limit)
        self._left = {message.id: message for message in self.messages}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._dead.give_back(list(self._left.values()))

    def remove(self, found: Sequence[_Found]) -> None:
        self._dead.remove([self._left[one.letter.id] for one in found])
        for one in found:
            del self._left[one.letter.id]


def _having(effect: Effect, found: Iterable[_Found]) -> list[_Found]:
    return [one for one in found if one.letter.effect is effect]


def _judge(services: Services, taken: Sequence[DeadMessage], wanted: Wanted) -> list[_Found]:
    """Select messages, and decide the effect on each of them."""
    found = [one for one in map(_read, taken) if _is_wanted(one.letter, wanted)]
    read = [one.message for one in found if one.message is not None]
    tasks = [message for message in read if message.kind == "task"]
    documents = _documents(
        services.store,
        {
            *(ids.run_path(message.run_id) for message in read if message.run_id),
            *(ids.task_path(message.run_id, message.connection_id) for message in tasks),
            *(ids.shard_path(message.run_id, message.shard) for message in tasks),
            *(ids.connection_path(message.connection_id) for message in tasks),
        },
    )
    now = services.clock.now()
    for one in found:
        if one.message is not None:
            snapshot = documents.get(ids.run_path(one.message.run_id))
            run, fault = attempt(Run, snapshot) if snapshot is not None else (None, "")
            if fault:
                one.letter.why = fault
                continue
            one.selection = run.selection if run is not None else Selection()
            one.letter.effect, one.letter.why = _decide(one.message, run, documents, now)
        elif wanted.discard_unreadable:
            one.letter.effect = Effect.REMOVE
    return found


def _read(dead: DeadMessage) -> _Found:
    message, why = None, ""
    try:
        message = messages.decode(dead.body)
    except MessageInvalid as error:
        why = dead.reason or str(error)
    letter = Letter(
        id=dead.id,
        kind=message.kind if message else None,
        run_id=(message.run_id if message else dead.attributes.get("run_id")) or None,
        connection_id=(message.connection_id if message else None) or None,
        published_at=dead.published_at,
        died_at=dead.died_at,
        deliveries=dead.deliveries,
        size_bytes=len(dead.body),
        effect=Effect.KEEP,
        why=why,
    )
    return _Found(message, letter, Selection())


def _is_wanted(letter: Letter, wanted: Wanted) -> bool:
    return wanted.run_id in {None, letter.run_id} and wanted.connection_id in {None, letter.connection_id}


def _decide(
    message: Message, run: Run | None, documents: dict[str, Snapshot], now: datetime
) -> tuple[Effect, str]:
    """The effect on a readable message, and the reason, from the current state of its run and task."""
    if message.kind == "heal":
        return Effect.REMOVE, "every tick heals by itself"
    if message.kind == "check":
        return Effect.REMOVE, "nobody waits for its answer any more"
    if message.kind == "vault":
        return Effect.REMOVE, "`marketplace-sync vault rotate` continues what was asked for"
    over = f"its run is {run.status.value}" if run is not None else "its run is no longer kept"
    is_open = run is not None and not run.status.is_final
    if message.kind != "task":
        return (Effect.PUBLISH, over) if is_open else (Effect.REMOVE, f"{over}: nothing is left to do")
    record = documents.get(ids.task_path(message.run_id, message.connection_id))
    task, fault = attempt(Task, record) if record is not None else (None, "")
    if fault:
        return Effect.KEEP, fault
    shard = documents.get(ids.shard_path(message.run_id, message.shard))
    if task is None and shard is not None and counted(shard, message.connection_id):
        return Effect.REMOVE, "its task has succeeded, and nothing had changed: nothing is left to do"
    if task is not None:
        over = f"its task is {task.status.value}" + (f" ({task.reason})" if task.reason else "")
    elif run is not None and is_open:
        # After the deadline a worker closes the task unworked, so the message would have no effect.
        if now <= run.deadline_at:
            return Effect.PUBLISH, "its task is open"
        over = "its run is past its deadline"
    if task is not None and task.status is TaskStatus.SUCCEEDED:
        return Effect.REMOVE, f"{over}: nothing is left to do"
    found = documents.get(ids.connection_path(message.connection_id))
    status = found.data.get("status") if found is not None else ConnectionStatus.DISCONNECTED
    if status == ConnectionStatus.DISCONNECTED:
        return Effect.REMOVE, f"{over}, and the connection is gone"
    if status == ConnectionStatus.PAUSED:
        return Effect.KEEP, f"{over}, and the connection is paused: resume it first"
    return Effect.NEW_RUN, over


def _by_run(found: Iterable[_Found]) -> dict[str, list[_Found]]:
    """Messages that need a new run, by the dead run that it replaces.

    If several runs left dead messages of one connection, it is synced once, for the latest of these runs.
    """
    same_work: dict[tuple[object, ...], list[_Found]] = {}
    for one in sorted(found, key=lambda one: one.message.order if one.message is not None else ""):
        work = (one.letter.connection_id, one.selection.streams, one.selection.full)
        same_work.setdefault(work, []).append(one)
    groups: dict[str, list[_Found]] = {}
    for members in same_work.values():
        groups.setdefault(members[-1].letter.run_id or "", []).extend(members)
    return groups


def _start_runs(
    services: Services, by: Actor, run_id: str, selection: Selection, names: set[str]
) -> list[Started]:
    """Find or start new runs for this dead run, until every one of these connections is in one of them.

    Such runs may exist: for other connections, or from a replay that was interrupted before it removed the
    messages. Each has a number; the next number is only used for the connections that are in no earlier run.
    """
    runs = []
    for number in count(1):
        started = start_manual(
            services,
            TriggerRequest(
                connection_ids=sorted(names),
                streams=list(selection.streams) if selection.streams is not None else None,
                full=selection.full,
            ),
            by=by,
            # Whoever goes on with an interrupted replay finds these runs.
            idempotency_key=ids.key_of("command line", f"dead letters of {run_id}, {number}"),
        )
        _, run = read_run(services, started.run_id)
        missing = names.difference(*(run.selection.connection_ids or {}).values())
        if missing != names:
            runs.append(started)
        if not missing:
            break
        names = missing
    return runs


def _documents(store: DocumentStore, paths: Iterable[str]) -> dict[str, Snapshot]:
    """The existing documents among these, by path."""
    ordered = sorted(paths)
    found: dict[str, Snapshot] = {}
    for start in range(0, len(ordered), _READ):
        snapshots = store.get_many(ordered[start : start + _READ])
        found |= {snapshot.path: snapshot for snapshot in snapshots if snapshot is not None}
    return found
