"""`rejects list|show`: records that are not stored are seen by an operator, with the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import FAILED, main
from orchestrator.errors import NotFound, RequestError
from orchestrator.operators import reject_views
from orchestrator.operators.reject_views import Kind
from orchestrator.ports import Put, Query
from tests.support.stores import CountingStore
from tests.support.world import World, fill

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOT_UNDERSTOOD = "Expected `str`, got `int` - at `$.total`"
NOT_SHOWN = "the marketplace cannot show it: takealot answered 500"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    """The store that the commands use, as a developer's shell names it."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{tmp_path / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", "local:http://127.0.0.1:1")
    monkeypatch.delenv("K_SERVICE", raising=False)
    return SqliteStore(tmp_path / "store.db")


def put(
    store: SqliteStore, connection_id: str, reject_id: str, *, reason: str = NOT_UNDERSTOOD, raw: str = "{}"
) -> None:
    """A connection with a reject."""
    stream, _, record_id = reject_id.partition("-")
    document = {
        "stream": stream,
        "record_id": record_id,
        "reason": reason,
        "run_id": "t-1",
        "rejected_at": AT,
        "raw": raw,
        "raw_bytes": len(raw),
        "raw_hash": "0",
    }
    store.commit(
        [
            Put(f"connections/{connection_id}", {"marketplace": "takealot"}),
            Put(f"connections/{connection_id}/rejects/{reject_id}", document),
        ]
    )


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The JSON of `rejects list`."""
    assert main(["rejects", "list", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_record_that_the_sync_rejects_is_listed_and_shown(tmp_path: Path) -> None:
    """From the sync's own documents: who, which stream, why, when, and the body on request."""
    world = World(tmp_path)
    world.connect("a")
    fill(world, "orders", 2)
    world.bazaar.shop("a").put("orders", "r9", AT.replace(year=2026, month=11, day=20), broken=True)
    run_id, _ = world.run_once()
    (found,) = reject_views.list_rejects(world.store).rejects

    assert (found.connection_id, found.reject_id, found.stream) == ("a", "orders-r9", "orders")
    assert (found.record_id, found.kind, found.run_id) == ("r9", Kind.NOT_UNDERSTOOD, run_id)
    assert "value is broken" in found.reason
    view = reject_views.show_reject(world.store, "a", "orders-r9")
    assert view.reject == found
    assert '"r9"' in view.raw
    assert "buyer@" not in view.raw


def test_both_kinds_are_counted_by_reason(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    """Not understood, and not shown by the marketplace; the list's footer counts each reason."""
    for number in range(3):
        put(store, "shop-1", f"orders-{number}", raw='{"secret-body": 1}')
    put(store, "shop-2", "products-7", reason=NOT_SHOWN, raw="")
    page = listed(capsys)

    assert page["by_reason"] == {NOT_UNDERSTOOD: 3, NOT_SHOWN: 1}
    kinds = [reject["kind"] for reject in page["rejects"]]
    assert kinds == ["not understood"] * 3 + ["not shown by the marketplace"]
    assert main(["rejects", "list"]) == 0
    text = capsys.readouterr().out
    assert f"3 on this page: {NOT_UNDERSTOOD}" in text
    assert f"1 on this page: {NOT_SHOWN}" in text
    assert "secret-body" not in text


def test_a_list_is_narrowed(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    """By connection and by stream; the number of all of them is known then."""
    for number in range(3):
        put(store, "shop-1", f"orders-{number}")
    put(store, "shop-1", "products-1")
    put(store, "shop-2", "orders-1")
    page = listed(capsys, "--connection", "shop-1", "--stream", "orders", "--limit", "2")

    assert [reject["reject_id"] for reject in page["rejects"]] == ["orders-0", "orders-1"]
    assert page["total"] == 3
    assert page["next_page_token"]


@pytest.mark.parametrize("connection_id", [None, "shop-1"])
def test_pages_join_without_gap_or_overlap(store: SqliteStore, connection_id: str | None) -> None:
    """Across connections, and within one."""
    names = [
        ("shop-1", "orders-1"),
        ("shop-1", "orders-2"),
        ("shop-1", "products-1"),
        ("shop-3", "orders-1"),
    ]
    for name in names:
        put(store, *name)
    store.commit([Put("connections/shop-2", {}), Put("connections/shop-4", {})])
    seen, token = [], None
    while True:
        page = reject_views.list_rejects(store, connection_id=connection_id, page_token=token, limit=1)
        seen += [(reject.connection_id, reject.reject_id) for reject in page.rejects]
        token = page.next_page_token
        if token is None:
            break

    assert seen == [name for name in names if connection_id in {None, name[0]}]


def test_a_page_looks_into_a_bounded_number_of_connections(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many connections have no reject; the next page continues behind them."""
    monkeypatch.setattr(reject_views, "SCANNED", 10)
    store.commit([Put(f"connections/shop-{number:02}", {}) for number in range(25)])
    put(store, "shop-24", "orders-1")
    counting = CountingStore(store)
    first = reject_views.list_rejects(counting)

    assert (first.rejects, counting.reads) == ([], 20)
    second = reject_views.list_rejects(store, page_token=first.next_page_token)
    third = reject_views.list_rejects(store, page_token=second.next_page_token)
    assert [reject.connection_id for reject in third.rejects] == ["shop-24"]
    assert third.next_page_token is None


def test_show_prints_the_raw_body(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    """It cannot control the terminal; the other facts stand above it."""
    put(store, "shop-1", "orders-1", raw='{"id": 1}\n\x1b[2J')
    assert main(["rejects", "show", "shop-1", "orders-1"]) == 0

    text = capsys.readouterr().out
    for shown in ("orders-1", NOT_UNDERSTOOD, "t-1", "2026-03-01", '{"id": 1}'):
        assert shown in text
    assert "\x1b" not in text


def test_a_record_that_was_not_shown_has_no_body(
    store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer says so."""
    put(store, "shop-1", "products-7", reason=NOT_SHOWN, raw="")
    assert main(["rejects", "show", "shop-1", "products-7"]) == 0

    assert "No raw record is kept" in capsys.readouterr().out


def test_a_reject_that_cannot_be_read_stops_no_list(
    store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, and the others are listed; shown alone, its raw body is shown with the fault."""
    put(store, "shop-1", "orders-1")
    store.commit([Put("connections/shop-1/rejects/orders-0", {"stream": 7, "raw": "body"})])
    page = listed(capsys)

    assert [reject["reject_id"] for reject in page["rejects"]] == ["orders-1"]
    (fault,) = page["faults"]
    assert fault.startswith("connections/shop-1/rejects/orders-0 cannot be read: ")
    assert main(["rejects", "list"]) == 0
    assert "orders-0 cannot be read" in capsys.readouterr().out
    assert main(["rejects", "show", "shop-1", "orders-0"]) == 0
    assert "body" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--connection", "shop-9"], ["--page-token", "junk"]])
def test_unknown_names_are_refused(
    store: SqliteStore, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """An unknown connection and a foreign token are the caller's mistakes."""
    assert main(["rejects", "list", *arguments]) == FAILED
    assert capsys.readouterr().err.startswith("error: ")


def test_an_unknown_reject_is_not_found(store: SqliteStore) -> None:
    """Only its own id finds it; a token is of its own list."""
    put(store, "shop-1", "orders-1")
    put(store, "shop-1", "orders-2")
    with pytest.raises(NotFound, match="no reject"):
        reject_views.show_reject(store, "shop-1", "orders-1/x")
    token = reject_views.list_rejects(store, limit=1).next_page_token
    with pytest.raises(RequestError, match="another list"):
        reject_views.list_rejects(store, connection_id="shop-2", page_token=token)


def test_csv_without_rows_has_its_header(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that rows would have, so that a program reads an empty file like any other."""
    assert main(["rejects", "list", "-o", "csv"]) == 0
    empty = capsys.readouterr().out
    put(store, "a", "orders-1")
    assert main(["rejects", "list", "-o", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == empty.strip()
    assert empty.startswith("connection_id,reject_id,stream,")


def test_one_that_no_listing_takes_away_is_forgotten(
    store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a confirmation, with an entry of the audit; the others stay, and a second time there is none."""
    put(store, "a", "orders-1")
    put(store, "a", "orders-2")
    assert main(["rejects", "forget", "a", "orders-1"]) == FAILED
    assert "add --yes" in capsys.readouterr().err
    assert store.count("connections/a/rejects") == 2

    assert main(["rejects", "forget", "a", "orders-1", "--yes"]) == 0
    capsys.readouterr()
    assert [each["reject_id"] for each in listed(capsys)["rejects"]] == ["orders-2"]
    (entry,) = store.query(Query("audit", limit=9))
    assert (entry.data["action"], entry.data["connection_id"]) == ("forget", "a")
    assert entry.data["details"] == "reject orders-1"
    for wrong in (["a", "orders-1"], ["a", "x/y"], ["..", "z"]):
        for confirmed in ([], ["--yes"]):  # nobody is asked to confirm one that is not there
            assert main(["rejects", "forget", *wrong, *confirmed]) == FAILED
            assert "has no reject" in capsys.readouterr().err
