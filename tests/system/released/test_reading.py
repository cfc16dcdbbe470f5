"""The documents of the last release are read, each one and in every view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from orchestrator import wiring
from orchestrator.cli.app import main
from orchestrator.model.connection import connection_from_document
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.messages import decode, encode
from orchestrator.model.records.document import Envelope
from orchestrator.model.records.record import Order, Product, StockLevel
from orchestrator.model.run import Run, Shard, Task
from orchestrator.model.state import Health, SyncState
from orchestrator.operators import connections
from orchestrator.operators.health.status import status
from orchestrator.operators.run_views import list_runs, show_run
from orchestrator.ports import Snapshot
from orchestrator.sync.digest import Digest
from tests.system.released.conftest import Left
from tests.system.released.replay import Release, queued
from tests.system.released.scene import documents, kind_of, role_of, scene

TYPES: Mapping[str, type[msgspec.Struct]] = {
    "connections/orders": Order,
    "connections/products": Product,
    "connections/inventory": StockLevel,
    "sync_state": SyncState,
    "runs": Run,
    "runs/shards": Shard,
    "runs/tasks": Task,
}
#: Fields of a record's document that are not of the record.
BESIDE = frozenset(Envelope.__struct_fields__)
#: Fields that a later release has dropped on purpose, by kind of document; nothing reads them any more.
DROPPED: Mapping[str, frozenset[str]] = {}
REJECT = frozenset({"stream", "record_id", "reason", "run_id", "rejected_at", "raw", "raw_bytes", "raw_hash"})


def lacking(written: object, read: object) -> bool:
    """Whether some value that was written is missing from the value that was read."""
    if isinstance(written, Mapping) and isinstance(read, Mapping):
        # An absent field means nothing, zero or empty.
        return any(lacking(value, read.get(name)) for name, value in written.items() if value)
    if isinstance(written, list | tuple) and isinstance(read, list | tuple):
        pairs = zip(written, read, strict=False)
        return len(written) != len(read) or any(lacking(one, other) for one, other in pairs)
    return written != read


def reread(snapshot: Snapshot) -> Mapping[str, Any]:
    """A document through the types of today and back."""
    kind = kind_of(snapshot.path)
    if kind == "connections":
        return to_document(connection_from_document(snapshot.id, snapshot.data))
    if kind == "connections/rejects":
        assert snapshot.data.keys() >= REJECT
        return snapshot.data
    if kind == "sync_state/digests":
        entries = snapshot.data["entries"]
        assert len(Digest(b"", [entries]).unseen()) * 18 == len(entries)
        return snapshot.data
    return to_document(from_document(TYPES[kind], snapshot.data))


def test_every_document_is_read(left: Left) -> None:
    """Each decodes, and nothing that was written is lost on the way; none was overlooked."""
    counts: Counter[str] = Counter()
    for snapshot in documents(left.store):
        kind = kind_of(snapshot.path)
        counts[kind] += 1
        read = reread(snapshot)
        ignored = DROPPED.get(kind, frozenset()) | (
            BESIDE if kind in TYPES and "connections/" in kind else set()
        )
        written = {name: value for name, value in snapshot.data.items() if name not in ignored}
        assert not lacking(written, read), f"{snapshot.path}: {written} is read as {read}"

    assert dict(counts) == left.release.contents.documents


def test_run_views_read_it(left: Left) -> None:
    """Runs are listed newest first, and each is shown as it stood."""
    runs, store = left.release.contents.runs, left.store
    listed = list_runs(store, limit=100)
    shown = {run_id: show_run(store, run_id).run["status"] for run_id in runs.values()}

    assert {run["run_id"] for run in listed.runs} == set(runs.values())
    assert shown == {run_id: expected(name) for name, run_id in runs.items()}
    assert {run["run_id"] for run in list_runs(store, status="cancelled").runs} == {runs["cancelled"]}
    assert show_run(store, runs["failed"]).run["retried_by"] == runs["retry"]


def expected(name: str) -> str:
    """The status of the run of a name."""
    return {"retry": "failed", "next_day": "partial"}.get(name, name)


def test_the_open_run_says_what_it_waits_for(left: Left) -> None:
    """A dead worker's task, one between slices, one put off and one not begun are told apart."""
    view = show_run(left.store, left.release.contents.runs["running"])

    assert view.progress is not None
    words = {role_of(known.connection_id): known.state for known in view.progress.connections}
    assert words == {
        "dead": "working",
        "deferred": "waiting",
        "fresh": "not_started",
        "half": "between_slices",
    }
    assert all(known.seen for known in view.progress.connections if role_of(known.connection_id) == "half")


def test_health_and_connections_read_it(left: Left) -> None:
    """Health counts those that need attention, and every connection is listed with its state."""
    found = scene(left.store, left.release.contents.frozen_at)
    view = status(found.services)
    listed = connections.list_page(found.services, limit=100)

    assert view.health is Health.NEEDS_ATTENTION
    assert {role_of(failing.connection_id) for failing in view.failing} == {"refused"}
    assert view.connections.needs_attention == 5
    assert len(listed) == left.release.contents.documents["connections"]
    assert {role_of(each.id) for each in listed if each.state is None} == {"fresh", "younger"}
    assert not any(each.fault for each in listed)


def test_the_command_line_reads_it(left: Left, capsys: pytest.CaptureFixture[str]) -> None:
    """The operators' commands print every run and connection."""
    found, runs = scene(left.store, left.release.contents.frozen_at), left.release.contents.runs
    with patch.object(wiring, "build", lambda *_, **__: found.services):
        assert main(["runs", "list", "--json"]) == 0
        assert main(["connections", "list", "--json"]) == 0
        for run_id in runs.values():
            assert main(["runs", "show", run_id]) == 0
    printed = capsys.readouterr().out

    assert all(run_id in printed for run_id in runs.values())
    assert "amazon-half" in printed


def test_the_queue_file_is_read(release: Release, tmp_path: Path) -> None:
    """The embedded queue's file opens, with all of its messages, those that are put off too."""
    counts = queued(release, tmp_path)

    assert counts.waiting + counts.held == release.contents.queued
    assert (counts.held, counts.delivering, counts.dead) == (5, 0, 0)


def test_every_message_is_read(release: Release) -> None:
    """Each kind decodes, and loses nothing."""
    for name, message in release.messages.items():
        assert msgspec.json.decode(encode(decode(message.body.encode()))) == msgspec.json.decode(
            message.body
        ), name
