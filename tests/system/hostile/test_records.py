"""Records that were valid, with something hostile anywhere inside: stored, or kept as a reject."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.model.connection import Connection, ConnectionStatus
from orchestrator.model.counts import StreamCounts
from orchestrator.model.state import OpenWindow
from orchestrator.ports import DocumentStore, Put
from orchestrator.sync import windows
from orchestrator.sync.changes import Change, Incomplete
from orchestrator.sync.digest import Digest
from orchestrator.sync.normalizer import Normalizer
from orchestrator.sync.rejects import MAX_RAW_BYTES
from tests.support.clocks import START, VirtualClock
from tests.support.examples import examples
from tests.system.hostile.samples import Kind, kinds, samples
from tests.system.hostile.values import FRAGMENTS, mutations, places, planted

KINDS = kinds()
# Lists and tuples are the same to a store.
_encode = msgspec.json.Encoder(order="deterministic").encode


def normalized(kind: Kind, records: Sequence[bytes], *, store_buyer_pii: bool = False) -> list[Change]:
    """The changes that a page of these records makes; each is counted, and none meets a defect."""
    connection = Connection(
        organization_id="org",
        marketplace=kind.market.name,
        name="",
        status=ConnectionStatus.ACTIVE,
        credential="env:X",
        store_buyer_pii=store_buyer_pii,
        created_at=START,
        updated_at=START,
    )
    task: Any = SimpleNamespace(
        connection=connection,
        connector=kind.connector,
        holder=SimpleNamespace(connection_id="c"),
        run_id="r",
        services=SimpleNamespace(clock=VirtualClock()),
    )
    terms = windows.terms(kind.stream, connection, kind.connector.epoch, timedelta(0))
    window = OpenWindow(since=terms.start, until=START + timedelta(minutes=1))
    counts = StreamCounts()
    normalizer, digest = Normalizer(task, terms, window, counts, set()), Digest()
    changes = [
        # As if the marketplace had no more details than the row.
        normalizer.completed(change, change.raw, digest) if isinstance(change, Incomplete) else change
        for change in normalizer.changes(records, digest)
    ]

    assert counts.seen == len(records) == counts.written + counts.unchanged + counts.rejected
    made = [change for change in changes if change is not None]
    for put in _puts(made):
        if "/rejects/" in put.path:
            assert "connector failed" not in put.data["reason"], put.data["reason"]
            assert len(put.data["reason"]) <= 2_100
            assert len(put.data["raw"].encode()) <= MAX_RAW_BYTES
    return made


def commit(store: DocumentStore, changes: Sequence[Change]) -> None:
    """Store them, and see that they can be read back as they were."""
    store.commit([write for change in changes for write in change.writes])
    puts = _puts(changes)
    for put, found in zip(puts, store.get_many([put.path for put in puts]), strict=True):
        assert found is not None
        assert _encode(found.data) == _encode(put.data)


def _puts(changes: Sequence[Change]) -> list[Put]:
    return [write for change in changes for write in change.writes if isinstance(write, Put)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_mutated_record_is_stored_or_rejected(kind: Kind, tmp_path: Path) -> None:
    """Whatever stands anywhere in a record, it is normalized or kept as a reject, beside a good one."""
    store = SqliteStore(tmp_path / "store.db")
    valid = samples(kind)

    @examples(60)
    @given(raw=st.sampled_from(valid).flatmap(mutations), pii=st.booleans())
    def check(raw: bytes, pii: bool) -> None:
        good = valid[-1]
        changes = normalized(kind, [raw, good], store_buyer_pii=pii)
        commit(store, changes)

        stored = [put for put in _puts(changes) if "/rejects/" not in put.path]
        assert _puts(normalized(kind, [good]))[0].path in {put.path for put in stored}

    check()
    store.close()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_is_written_is_accepted(kind: Kind, store: DocumentStore) -> None:
    """Each known fragment, in the place of one field after the other, leaves documents both stores take."""
    raw = samples(kind)[0]
    found = list(places(msgspec.json.decode(raw)))
    waiting: dict[str, Change] = {}
    for number, fragment in enumerate(FRAGMENTS):
        for change in normalized(kind, [planted(raw, found[number % len(found)], fragment)]):
            if change.writes[0].path in waiting:
                commit(store, list(waiting.values()))
                waiting = {}
            waiting[change.writes[0].path] = change
    commit(store, list(waiting.values()))
