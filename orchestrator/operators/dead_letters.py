"""Dead letters: what was given up, what replaying it would do, and doing it.

The protocol's Dead event. A message whose task is open is published again. One whose task is closed would be
acknowledged and do nothing, so its connection is synced by a new run instead; closed runs never change.

Everything may be repeated, or end anywhere. Messages are removed only after what they are replayed as was
published, and a new run's id is made of the run that the dead messages belong to: replaying them again
finds the same run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import count

import msgspec

from orchestrator.errors import MessageInvalid, NotPossible, RequestError
from orchestrator.model import ids, messages
from orchestrator.model.connection import ConnectionStatus
from orchestrator.model.documents import from_document
from orchestrator.model.messages import Message
from orchestrator.model.run import Run, Selection, Task, TaskStatus
from orchestrator.ports import DeadLetters, DeadMessage, Document, DocumentStore
from orchestrator.runs.start import COMMAND_LINE, Started, TriggerRequest, start_manual
from orchestrator.services import Services

#: Messages that are looked at in one go, unless said otherwise, and at most.
LIMIT = 500
MOST = 5000
#: Messages published, or connections given to a new run, in a second.
PER_SECOND = 20.0
#: They are published by so many, then removed, then there is a pause.
BATCH = 50
#: What was taken is others' again after ten minutes: no more is taken than this pace gets done before.
_WORKED_S = 480.0
_READ = 300


class Effect(StrEnum):
    """What a replay does with a dead message."""

    PUBLISH = "publish again"
    NEW_RUN = "new run"
    REMOVE = "only remove"
    KEEP = "keep"


class Letter(msgspec.Struct, kw_only=True):
    """A dead message as people see it: all but its body."""

    id: str
    #: None where it cannot be read.
    kind: str | None
    run_id: str | None
    connection_id: str | None
    published_at: datetime
    died_at: datetime
    deliveries: int
    size_bytes: int
    effect: Effect
    why: str


class Wanted(msgspec.Struct, kw_only=True, frozen=True):
    """Which dead messages are meant: those that fit, among the first `limit`."""

    connection_id: str | None = None
    run_id: str | None = None
    limit: int = LIMIT
    #: Whether those that cannot be read are removed.
    discard_unreadable: bool = False


class Looked(msgspec.Struct, kw_only=True, frozen=True):
    """Dead messages, and what became of them or would."""

    letters: list[Letter]
    #: Whether there may be more of them.
    more: bool
    #: New runs, where they were replayed.
    started: list[Started] = []


@dataclass(slots=True)
class _Found:
    """A dead message that is meant."""

    dead: DeadMessage
    message: Message | None
    letter: Letter
    selection: Selection


def look(services: Services, dead: DeadLetters, wanted: Wanted) -> Looked:
    """Say what there is and what a replay would do; changes nothing.

    Raises:
        RequestError: The limit is out of range.
        QueueUnavailable: Try again.
        StoreUnavailable: Try again.
    """
    _require("limit", wanted.limit, 1, MOST)
    taken = dead.take(wanted.limit)
    try:
        found = _judge(services, taken, wanted)
    finally:
        dead.give_back(taken)
    return Looked(letters=[one.letter for one in found], more=len(taken) == wanted.limit)


def replay(
    services: Services, dead: DeadLetters, wanted: Wanted, *, per_second: float = PER_SECOND
) -> Looked:
    """Do what `look` says, at a pace; safe to repeat, wherever an earlier one ended.

    Args:
        services: The world.
        dead: The dead letters.
        wanted: Which of them.
        per_second: How many messages and connections become work in a second.

    Raises:
        RequestError: A number is out of range.
        QueueUnavailable: Not all is done; replay again.
        StoreUnavailable: Not all is done; replay again.
    """
    _require("limit", wanted.limit, 1, MOST)
    _require("per second", per_second, 0.1, 1000)
    limit = min(wanted.limit, int(per_second * _WORKED_S))
    taken = dead.take(limit)
    left = {message.id: message for message in taken}
    started: list[Started] = []

    def remove(found: Sequence[_Found]) -> None:
        dead.remove([one.dead for one in found])
        for one in found:
            del left[one.dead.id]

    try:
        found = _judge(services, taken, wanted)
        remove([one for one in found if one.letter.effect is Effect.REMOVE])
        pause_s = 0.0
        for batch in _batches([one for one in found if one.letter.effect is Effect.PUBLISH]):
            services.clock.sleep(pause_s)
            services.queue.publish([one.message for one in batch if one.message is not None])
            remove(batch)
            pause_s = len(batch) / per_second
        for run_id, group in _groups(found).items():
            services.clock.sleep(pause_s)
            names = {one.letter.connection_id or "" for one in group}
            try:
                started += _start(services, run_id, group[0].selection, names)
            except NotPossible as error:
                for one in group:
                    one.letter.effect, one.letter.why = Effect.KEEP, error.message
                pause_s = 0.0
                continue
            remove(group)
            pause_s = len(names) / per_second
    finally:
        dead.give_back(list(left.values()))
    return Looked(letters=[one.letter for one in found], more=len(taken) == limit, started=started)


def _judge(services: Services, taken: Sequence[DeadMessage], wanted: Wanted) -> list[_Found]:
    """Those that are meant, each with what is to be done with it and why."""
    found = [one for one in map(_read, taken) if _is_meant(one.letter, wanted)]
    read = [one.message for one in found if one.message is not None]
    tasks = [message for message in read if message.kind == "task"]
    documents = _documents(
        services.store,
        {
            *(ids.run_path(message.run_id) for message in read if message.run_id),
            *(ids.task_path(message.run_id, message.connection_id) for message in tasks),
            *(ids.connection_path(message.connection_id) for message in tasks),
        },
    )
    now = services.clock.now()
    for one in found:
        if one.message is not None:
            run = documents.get(ids.run_path(one.message.run_id))
            known = from_document(Run, run) if run is not None else None
            one.selection = known.selection if known is not None else Selection()
            one.letter.effect, one.letter.why = _decide(one.message, known, documents, now)
        elif wanted.discard_unreadable:
            one.letter.effect = Effect.REMOVE
    return found


def _read(dead: DeadMessage) -> _Found:
    message, why = None, ""
    try:
        message = messages.decode(dead.body)
    except MessageInvalid as error:
        why = dead.reason or str(error)
    noted = dead.attributes.get
    letter = Letter(
        id=dead.id,
        kind=message.kind if message else None,
        run_id=(message.run_id if message else noted("run_id")) or None,
        connection_id=(message.connection_id if message else None) or None,
        published_at=dead.published_at,
        died_at=dead.died_at,
        deliveries=dead.deliveries,
        size_bytes=len(dead.body),
        effect=Effect.KEEP,
        why=why,
    )
    return _Found(dead, message, letter, Selection())


def _is_meant(letter: Letter, wanted: Wanted) -> bool:
    return (wanted.run_id is None or letter.run_id == wanted.run_id) and (
        wanted.connection_id is None or letter.connection_id == wanted.connection_id
    )


def _decide(
    message: Message, run: Run | None, documents: dict[str, Document], now: datetime
) -> tuple[Effect, str]:
    """What to do with a message that can be read, by what has become of its run and task."""
    if message.kind == "heal":
        return Effect.REMOVE, "every tick heals by itself"
    over = f"its run is {run.status.value}" if run is not None else "its run is no longer kept"
    is_open = run is not None and not run.status.is_final
    if message.kind != "task":
        return (Effect.PUBLISH, over) if is_open else (Effect.REMOVE, f"{over}: nothing is left to do")
    record = documents.get(ids.task_path(message.run_id, message.connection_id))
    task = from_document(Task, record) if record is not None else None
    if task is not None:
        over = f"its task is {task.status.value}" + (f" ({task.reason})" if task.reason else "")
    elif run is not None and is_open:
        # Past its deadline a task is closed and not worked, so the message would do nothing.
        if now <= run.deadline_at:
            return Effect.PUBLISH, "its task is open"
        over = "its run is past its deadline"
    if task is not None and task.status is TaskStatus.SUCCEEDED:
        return Effect.REMOVE, f"{over}: nothing is left to do"
    connection = documents.get(ids.connection_path(message.connection_id))
    if connection is None or connection.get("status") == ConnectionStatus.DISCONNECTED:
        return Effect.REMOVE, f"{over}, and the connection is gone"
    if connection.get("status") == ConnectionStatus.PAUSED:
        return Effect.KEEP, f"{over}, and the connection is paused: resume it first"
    return Effect.NEW_RUN, over


def _groups(found: Iterable[_Found]) -> dict[str, list[_Found]]:
    """The messages that new runs are started for, by the run that each of these is for.

    A connection that several runs have left dead messages of is synced once, for the latest of them.
    """
    members: dict[tuple[object, ...], list[_Found]] = {}
    latest: dict[tuple[object, ...], str] = {}
    for one in sorted(found, key=lambda one: one.message.order if one.message else ""):
        if one.letter.effect is Effect.NEW_RUN and one.message is not None:
            work = (one.message.connection_id, one.selection.streams, one.selection.full)
            members.setdefault(work, []).append(one)
            latest[work] = one.message.run_id
    groups: dict[str, list[_Found]] = {}
    for same, run_id in latest.items():
        groups.setdefault(run_id, []).extend(members[same])
    return groups


def _start(services: Services, run_id: str, selection: Selection, names: set[str]) -> list[Started]:
    """Have every one of these connections in a new run that was started for dead messages of this run.

    There may be such runs already, from a replay that ended before it had removed the messages, or of
    other connections. Numbers tell them apart: the next one is only made for what they do not cover.
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
            requested_by=COMMAND_LINE,
            idempotency_key=f"dead letters of {run_id}, {number}",
        )
        snapshot = services.store.get(ids.run_path(started.run_id))
        selected = (
            from_document(Run, snapshot.data).selection.connection_ids if snapshot is not None else None
        )
        missing = names.difference(*(selected or {}).values())
        if missing != names:
            runs.append(started)
        if not missing:
            break
        names = missing
    return runs


def _documents(store: DocumentStore, paths: Iterable[str]) -> dict[str, Document]:
    """Those of these documents that exist, by path."""
    ordered = sorted(paths)
    found: dict[str, Document] = {}
    for start in range(0, len(ordered), _READ):
        for snapshot in store.get_many(ordered[start : start + _READ]):
            if snapshot is not None:
                found[snapshot.path] = snapshot.data
    return found


def _batches(found: Sequence[_Found]) -> Iterator[Sequence[_Found]]:
    return (found[start : start + BATCH] for start in range(0, len(found), BATCH))


def _require(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise RequestError(f"{name}: it takes a number from {least:,} to {most:,}")
