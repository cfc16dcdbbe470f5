"""Looks at every commit for what must never happen, whoever made it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.model.counts import TaskTotals
from orchestrator.model.documents import from_document
from orchestrator.model.run import RECORDED, Run, RunStatus, Shard, Task
from orchestrator.ports import Create, Delete, Document, Put, Query, Update, Write
from orchestrator.sync import changes, digest
from orchestrator.tasks.sweep import FORCED
from tests.system.simulation.loop import START
from tests.system.simulation.process import MOST_FROZEN_S

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: Firestore removes a document within a day of its `expires_at`.
TTL_S = 24 * 3600
#: Two heals, at least, in seconds.
HEALS_APART_S = 60.0


class Watch:
    """Rules of the protocol that can be told from one commit."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._store = history.store
        #: The true time each run was created, and paths that its time to live has taken.
        self.started_s: dict[str, float] = {}
        self.closed_s: dict[str, float] = {}
        self.expired: set[str] = set()
        #: Whose heal has begun and not ended.
        self._healing_run: str | None = None
        history.store.watchers.append(self.look)

    def holder_of(self, connection_id: str | None) -> str | None:
        """Who holds a connection's lease."""
        found = self._store.documents.get(f"sync_state/{connection_id}")
        owner = found[1]["lease"].get("owner") if found is not None else None
        return owner if isinstance(owner, str) else None

    def look(self, writes: Sequence[Write], before: Mapping[str, Document | None]) -> None:
        """Note what is violated."""
        history = self._history
        doors = {write.path.split("/")[1] for write in writes if write.path.startswith("sync_state/")}
        self._size(writes)
        for write in writes:
            if not isinstance(write, Delete):
                self._leaks(write)
                self._expiry(write)
            match write.path.split("/"):
                case ["connections", connection_id, _, _]:
                    if connection_id not in doors:
                        history.violated(f"{write.path} is written without its connection's state")
                    left = before.get(f"sync_state/{connection_id}")
                    if not (isinstance(write, Delete) and _is_being_removed(left)):
                        self._holder(write.path, connection_id, left)
                case ["sync_state", connection_id] if not isinstance(write, Delete):
                    self._state(write, connection_id, before[write.path])
                case ["runs", run_id]:
                    self._run(write, run_id, before[write.path])
                case ["runs", run_id, "tasks", _] | ["runs", run_id, "shards", _, "tasks", _]:
                    self._task(write, run_id)
                case ["runs", run_id, "shards", _]:
                    self._open_run(write.path, run_id)
                case ["healing", "heal"]:
                    self._heal(write, before[write.path])

    def _size(self, writes: Sequence[Write]) -> None:
        """A commit's documents are bounded, apart from a digest's that is laid out anew."""
        most = 2 * changes.PART_DOCUMENTS + max(digest.FOLDS_PER_COMMIT, 4) + 4
        counted = [write for write in writes if not write.path.startswith(("sync_state/", "runs/"))]
        self._history.most_writes = max(self._history.most_writes, len(counted))
        if len(counted) > max(most, 250):
            self._history.violated(f"{len(counted)} records in one commit")
        records = [write for write in counted if isinstance(write, Put)]
        if len(records) > changes.PART_DOCUMENTS:
            self._history.violated(f"{len(records)} records in a commit of at most {changes.PART_DOCUMENTS}")

    def _leaks(self, write: Create | Put | Update) -> None:
        data = write.fields if isinstance(write, Update) else write.data
        consents = self._history.running.consents
        parts = write.path.split("/")
        may_hold = len(parts) == 4 and parts[0] == "connections" and consents.get(parts[1], False)
        self._history.leaks.search(write.path, msgspec.msgpack.encode(data), buyer=not may_hold)

    def _expiry(self, write: Create | Put | Update) -> None:
        """Schedule the end of what has a time to live; nothing is written again for what is gone."""
        history, path = self._history, write.path
        if path.startswith("sync_state/"):
            self._tombstone(path)
            return
        if path in self.expired and not isinstance(write, Update):
            history.violated(f"{path} is written again after its time to live")
        expires_at = write.data.get("expires_at") if not isinstance(write, Update) else None
        if isinstance(expires_at, datetime):
            gone_s = (expires_at - START).total_seconds() - history.loop.now_s
            history.loop.at(gone_s + history.loop.rng.uniform(0, TTL_S), lambda: self._expire(path))

    def _tombstone(self, path: str) -> None:
        """Schedule the end of a removed connection's state, if it is still one by then."""
        history = self._history
        expires_at = self._store.documents[path][1].get("expires_at")
        if not isinstance(expires_at, datetime):
            return
        version = self._store.documents[path][0]

        def end() -> None:
            found = self._store.documents.get(path)
            if found is not None and found[1].get("expires_at") == expires_at:
                history.seen["tombstone expired"] += 1
                self._store.remove(path)

        gone_s = (expires_at - START).total_seconds() - history.loop.now_s
        history.loop.at(gone_s + random.Random(version).uniform(0, TTL_S), end)

    def _expire(self, path: str) -> None:
        self._history.seen["expired"] += 1
        self.expired.add(path)
        self._store.remove(path)

    # One worker a connection

    def _holder(self, path: str, connection_id: str, before: Document | None) -> None:
        """Records are stored by the current holder of their connection, for that connection, alone."""
        process = self._history.running
        owner = before["lease"].get("owner") if before is not None else None
        if process.owner is None or owner != process.owner:
            self._history.violated(f"{path} is stored by {process.owner}, and held by {owner}")
        if process.connection_id != connection_id:
            self._history.violated(f"{path} is stored by the worker of {process.connection_id}")

    def _state(self, write: Create | Put | Update, connection_id: str, before: Document | None) -> None:
        history = self._history
        now = self._store.documents[write.path][1]
        owner = now["lease"].get("owner")
        if owner is not None and (before is None or before["lease"].get("owner") != owner):
            history.running.owner, history.running.claimed_s = owner, history.loop.now_s
            self._claimed(before)
            fence = before["lease"].get("fence", 0) if before is not None else 0
            if now["lease"].get("fence", 0) <= fence:
                history.violated(f"{write.path}: a claim does not raise the fence above {fence}")
        if before is None:
            if not isinstance(write, Create):
                history.violated(f"{write.path} is made without looking")
            return
        holder, mine = before["lease"].get("owner"), history.running.owner
        if mine is not None and holder not in {None, mine} and owner != mine:
            history.violated(f"{write.path} is written by {mine}, who has lost it to {holder}")
        if not isinstance(write, Update) or write.version is None:
            history.violated(f"{write.path} is written without a version")
            return
        if now["seq"] != before["seq"] + 1:
            history.violated(f"{write.path}: seq goes from {before['seq']} to {now['seq']}")
        for name in STREAMS:
            old, new = _since(before, name), _since(now, name)
            # Other settings start again from the beginning, perhaps by a clock that is behind.
            is_same = _scope(before, name) == _scope(now, name)
            if is_same and old is not None and new is not None and new < old:
                history.violated(f"{write.path}: since of {name} goes back")

    def _claimed(self, before: Document | None) -> None:
        """Whether the holder before was still alive, or only frozen."""
        earlier = before["lease"].get("owner") if before is not None else None
        holder = self._history.holder(earlier)
        self._history.seen["taken over while alive"] += holder is not None and holder.is_alive

    def _heal(self, write: Write, before: Document | None) -> None:
        """At most one heal a minute for all together, but for the redelivery of one that died."""
        history, now = self._history, self._store.documents[write.path][1]
        if now["done"]:
            self._healing_run = None
            return
        if before is not None and self._healing_run != now["run"]:
            after_s = (now["at"] - before["at"]).total_seconds()
            if after_s < HEALS_APART_S:
                history.violated(f"healed again after {after_s:.0f} s, for {now['run']}")
        self._healing_run = now["run"]

    # Runs

    def _run(self, write: Write, run_id: str, before: Document | None) -> None:
        history = self._history
        if before is None and isinstance(write, Create):
            self.started_s[run_id] = history.loop.now_s
            if RunStatus(write.data["status"]).is_final:
                self.closed_s[run_id] = history.loop.now_s
            return
        if before is not None and RunStatus(before["status"]).is_final:
            if not isinstance(write, Update) or set(write.fields) != {"retried_by"}:
                history.violated(f"{write.path}: a closed run is changed")
            return
        if RunStatus(self._store.documents[write.path][1]["status"]).is_final:
            self.closed_s[run_id] = history.loop.now_s
            history.seen[f"run {self._store.documents[write.path][1]['status']}"] += 1
            self._close(run_id)

    def _task(self, write: Write, run_id: str) -> None:
        if isinstance(write, Create):
            self._history.seen[f"{write.data['status']} {write.data['reason']}"] += 1
            self._history.seen["several slices"] += write.data["slices"] > 1
        else:
            self._history.violated(f"{write.path}: a final task is rewritten")
        self._open_run(write.path, run_id)

    def _open_run(self, path: str, run_id: str) -> None:
        if run_id in self.closed_s:
            self._history.violated(f"{path} is written after its run was closed")

    def _close(self, run_id: str) -> None:
        """A run that closes has planned each due connection once, and its counts are its tasks'."""
        history, store = self._history, self._store
        if any(path.startswith(f"runs/{run_id}/") for path in self.expired):
            return
        run = from_document(Run, store.documents[ids.run_path(run_id)][1])
        shards = store.query(Query(f"runs/{run_id}/shards", limit=1000))
        places = [f"runs/{run_id}/tasks", *(f"{shard.path}/tasks" for shard in shards)]
        found = [it for place in places for it in store.query(Query(place, limit=1000))]
        tasks = [from_document(Task, it.data) for it in found]
        plans = [from_document(Shard, shard.data) for shard in shards]
        planned = sorted(name for plan in plans for name in plan.ids)
        quiet = _quiet(plans)
        history.seen["quiet"] += len(quiet)
        twice = {name for name in planned if planned.count(name) > 1}
        history.seen["planned twice"] += bool(twice)
        if run.error is not None and run.error.kind == FORCED.kind:
            history.violated(f"{run_id} is closed by force")
        if twice - history.people.moved:
            history.violated(f"{run_id} plans a connection twice")
        if planned != sorted([*quiet, *(task.connection_id for task in tasks)]):
            history.violated(f"{run_id} closes with tasks that are not its plan")
        if any(len(plan.final) != len(plan.ids) for plan in plans):
            history.violated(f"{run_id} closes with shards that do not name all their tasks")
        if len(quiet) != sum(plan.quiet for plan in plans):
            history.violated(f"{run_id} closes with another number of tasks without a record")
        counted = TaskTotals(total=len(planned), succeeded=len(quiet))
        for task in tasks:
            part = TaskTotals(
                incomplete=int(task.incomplete), throttled=int(task.reason in {"rate_limited", "waiting"})
            )
            setattr(part, task.status.value, 1)
            counted.add(part)
        if run.tasks != counted:
            history.violated(f"{run_id} counts {run.tasks}, and its tasks are {counted}")
        for name in ("written", "deleted", "rejected"):
            summed = sum(getattr(counts, name) for task in tasks for counts in task.streams.values())
            if getattr(run.records, name) != summed:
                history.violated(f"{run_id} counts {getattr(run.records, name)} {name}, its tasks {summed}")
        # A task without a record has read what it knew.
        records = run.records
        unchanged = records.seen - records.written - records.rejected
        known = sum(counts.unchanged for task in tasks for counts in task.streams.values())
        if records.unchanged != unchanged or unchanged < known or (not quiet and unchanged != known):
            history.violated(f"{run_id} counts {records.unchanged} unchanged of {unchanged}, tasks {known}")
        self._close_plan(run_id, run, planned)

    def _close_plan(self, run_id: str, run: Run, planned: Sequence[str]) -> None:
        """It covers what it was asked to cover, and of one organization nothing of another."""
        history, selection = self._history, run.selection
        organizations = history.people.organizations
        wanted = selection.organization_id
        for name in planned:
            if (
                wanted is not None
                and organizations[name] != wanted
                and name not in history.people.changed_hands
            ):
                history.violated(f"{run_id} of {wanted} covers {name}")
        if selection.connection_ids is not None or selection.retry_of is not None:
            return
        if run.cancel_requested_at is not None or run.error is not None:
            return
        started_s = self.started_s[run_id]
        for name, since_s in history.people.active_since_s.items():
            # A request may have been frozen between counting and creating.
            longer = since_s < started_s - 2 * MOST_FROZEN_S and run.trigger == "scheduler"
            in_time = since_s < started_s and history.people.marketplaces[name] in run.dispatch
            belongs = wanted is None or (
                wanted == organizations[name] and name not in history.people.changed_hands
            )
            if longer and wanted is None:
                history.slots.look(run_id, run, name, since_s)
            if belongs and (longer or in_time) and name not in planned and history.slots.is_due(name, run):
                history.violated(f"{run_id} leaves out {name}, which is active")


def _quiet(plans: Sequence[Shard]) -> list[str]:
    """Connections whose task is final without a record."""
    return [name for plan in plans for name in plan.ids if plan.final.get(ids.final_key(name), 0) > RECORDED]


def _scope(state: Document, name: str) -> str | None:
    scope: str | None = state["streams"].get(name, {}).get("scope")
    return scope


def _is_being_removed(state: Document | None) -> bool:
    return state is not None and state.get("removing") is True and state["open"] is None


def _since(state: Document, stream: str) -> datetime | None:
    since = state["streams"].get(stream, {}).get("cursor", {}).get("since")
    return since if isinstance(since, datetime) else None
