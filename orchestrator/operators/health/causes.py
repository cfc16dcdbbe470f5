"""Connections that are late or failing, grouped by cause, with a bounded number of reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.model import ids
from orchestrator.model.cause import Blame, Cause, blame_of
from orchestrator.model.documents import attempt
from orchestrator.model.state import SyncState
from orchestrator.operators.health.remedies import KINDS, UNEXPLAINED, remedy, title
from orchestrator.operators.health.status_view import CauseGroup, Example
from orchestrator.ports import Document, DocumentStore, Filter, Query, Snapshot

#: Kinds of causes that a document is read for; the others are counted by their names.
READ_KINDS = 5
#: Connections of a group that are shown.
EXAMPLES = 3
_BADNESS = tuple(Blame)


@dataclass(slots=True)
class Reader:
    """Reads documents until a number of them is used up, and counts without reading any."""

    store: DocumentStore
    left: int

    def query(self, query: Query) -> list[Snapshot]:
        """Fewer documents than asked for, if no more are allowed."""
        if self.left < 1:
            return []
        limit = min(query.limit, self.left)
        found = self.store.query(
            Query(query.collection, where=query.where, order_by=query.order_by, limit=limit)
        )
        self.left -= len(found)
        return found

    def documents(self, names: Sequence[str]) -> dict[str, Document]:
        """The connections' documents, of as many as are allowed."""
        chosen = names[: max(self.left, 0)]
        self.left -= len(chosen)
        found = self.store.get_many([ids.connection_path(name) for name in chosen])
        return {snapshot.id: snapshot.data for snapshot in found if snapshot is not None}


@dataclass(slots=True)
class Found:
    """The groups, and the states that were read for them."""

    groups: list[CauseGroup] = field(default_factory=list)
    #: Whether there are kinds that are not among the groups.
    more: bool = False
    #: By connection id.
    states: dict[str, SyncState] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, group: CauseGroup | None) -> None:
        """Add a group, if there is one."""
        self.groups += [group] if group is not None else []

    def read(self, snapshots: Sequence[Snapshot]) -> list[str]:
        """Keep states that can be read and have a cause; returns their connections' ids."""
        names = []
        for snapshot in snapshots:
            state, fault = attempt(SyncState, snapshot)
            if state is None:
                self.faults += [fault] if fault not in self.faults else []
            elif state.cause is not None:
                self.states[snapshot.id] = state
                names.append(snapshot.id)
        return names


def groups(reader: Reader, active: Mapping[str, int], late: int, now: datetime) -> Found:
    """The groups of connections with a cause, the worst first.

    Args:
        reader: It reads the first kinds, and then the connections that began first.
        active: Active connections by marketplace.
        late: Connections that are late.
        now: The time.
    """
    found = Found()
    kinds = dict(_kinds(reader, found))
    last, others = max(kinds, default=""), 0
    if len(kinds) == READ_KINDS and (others := _number_behind(reader.store, last)):
        kinds |= {kind: [] for kind in KINDS if kind > last}
    for kind in sorted(kinds, key=lambda each: (_BADNESS.index(blame_of(each)), each)):
        if blame_of(kind) is Blame.MARKETPLACE:
            for marketplace in sorted(active):
                found.add(_group(reader, found, (kind, marketplace), kinds[kind], now))
        else:
            found.add(_group(reader, found, (kind, None), kinds[kind], now))
    # A later release may have written kinds that are not known here.
    found.more = others > sum(group.connections for group in found.groups if group.kind > last)
    unexplained = late - sum(group.late for group in found.groups)
    if unexplained > 0 and not found.more:
        found.groups.append(
            CauseGroup(
                kind=UNEXPLAINED,
                blame=Blame.SYNC,
                title=title(UNEXPLAINED, None),
                action=remedy(UNEXPLAINED),
                connections=unexplained,
                late=unexplained,
            )
        )
    return found


def _kinds(reader: Reader, found: Found) -> Iterator[tuple[str, list[str]]]:
    """Each kind with a connection that has it: the store steps from one kind to the next."""
    after = ""
    for _ in range(READ_KINDS):
        snapshots = reader.query(Query("sync_state", where=[Filter("cause.kind", ">", after)], limit=1))
        if not snapshots:
            return
        after = snapshots[0].data["cause"]["kind"]
        yield after, found.read(snapshots)


def _number_behind(store: DocumentStore, kind: str) -> int:
    """Connections with a cause whose kind is behind this one."""
    return store.count("sync_state", [Filter("cause.kind", ">", kind)])


def _group(
    reader: Reader, found: Found, of: tuple[str, str | None], known: list[str], now: datetime
) -> CauseGroup | None:
    """The group of a kind, or of a kind at one marketplace; None if it has no connection."""
    store, (kind, marketplace) = reader.store, of
    where = [Filter("cause.kind", "==", kind)]
    if marketplace is not None:
        where.append(Filter("marketplace", "==", marketplace))
        known = [name for name in known if found.states[name].marketplace == marketplace]
    number = store.count("sync_state", where)
    if not number:
        return None
    oldest = reader.query(Query("sync_state", where=where, order_by="cause.since", limit=EXAMPLES))
    names = found.read(oldest)
    examples = [
        _example(name, found.states[name], cause, now)
        for name in dict.fromkeys([*names, *known])
        if (cause := found.states[name].cause) is not None and cause.kind == kind
    ]
    untils = [each.until for each in examples if each.until is not None]
    told = next((state.cause.action for name in names[:1] if (state := found.states[name]).cause), "")
    return CauseGroup(
        kind=kind,
        blame=blame_of(kind),
        marketplace=marketplace,
        title=title(kind, marketplace),
        action=remedy(kind, told),
        connections=number,
        late=store.count("sync_state", [*where, Filter("late_at", "<=", now)]),
        since=examples[0].since if names else None,
        until=max(untils, default=None),
        examples=examples[:EXAMPLES],
    )


def _example(name: str, state: SyncState, cause: Cause, now: datetime) -> Example:
    return Example(
        connection_id=name,
        organization_id=state.organization_id,
        marketplace=state.marketplace,
        since=cause.since,
        message=cause.message,
        is_late=isinstance(state.late_at, datetime) and state.late_at <= now,
        since_at=state.since_at,
        until=cause.until,
        stream=cause.stream,
    )
