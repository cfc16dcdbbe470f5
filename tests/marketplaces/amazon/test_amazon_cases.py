"""Situations of Amazon's sellers that public bug reports tell: a right or a service that one part lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from orchestrator.marketplaces.amazon.fields import within
from orchestrator.marketplaces.amazon.stock_records import level
from orchestrator.model.run import TaskStatus
from tests.support.cases import Case, Played, Route, load, play, prepared


def available(played: Played) -> dict[str, Any]:
    """The quantities of the stored stock by SKU, of levels that have not vanished."""
    return {
        each["sku"]: each["available"]
        for each in played.stored("inventory").values()
        if each["deleted_at"] is None
    }


def with_channel(case: Case, channel: str) -> Case:
    """The case with another fulfilment channel of all listings."""
    raw = msgspec.json.encode(case.routes).replace(b"DEFAULT", channel.encode())
    return msgspec.structs.replace(case, routes=msgspec.json.decode(raw, type=tuple[Route, ...]))


def lines(played: Played, action: str) -> list[str]:
    """The log's lines of an action."""
    return [line for line in played.log.lines if f"'action': '{action}'" in line]


def test_a_seller_without_fulfillment_by_amazon_has_the_own_stock_and_is_told_once(tmp_path: Path) -> None:
    """400 InvalidInput for ever is no failure, and one task and one log line say so."""
    played = play(load("amazon-fba-400-for-merchant-only"), tmp_path)

    assert [task.status for task in played.tasks] == [TaskStatus.SUCCEEDED] * 4
    assert available(played) == {"OWN-4": 4, "OWN-7": 7}
    told = [task.streams["inventory"].notice for task in played.tasks]
    assert "Fulfillment by Amazon" in str(told[0])
    assert told[1:] == [msgspec.UNSET] * 3
    assert len(lines(played, "account_notice")) == 1
    assert played.rejects() == []


def test_a_400_for_a_seller_with_listings_at_amazon_is_a_failure(tmp_path: Path) -> None:
    """A listing that Amazon fulfils shows that the seller takes part: then something else is wrong."""
    case = with_channel(load("amazon-fba-400-for-merchant-only"), "AMAZON_EU")
    played = play(case, tmp_path)

    for task in played.tasks:
        error = task.streams["inventory"].error
        assert error is not None
        assert error.kind == "request_rejected"
        assert task.streams["inventory"].notice is msgspec.UNSET


def test_a_400_for_a_marketplace_that_does_not_exist_is_a_failure(tmp_path: Path) -> None:
    """Amazon then refuses the listings of that marketplace as well."""
    case = load("amazon-fba-400-for-merchant-only")
    refused = next(route for route in case.routes if route.path == "/fba/")
    listings = msgspec.structs.replace(refused, path="/listings/")
    played = play(msgspec.structs.replace(case, routes=(listings, *case.routes)), tmp_path)

    error = played.tasks[-1].streams["inventory"].error
    assert error is not None
    assert error.kind == "request_rejected"
    assert len(played.stored("orders")) == 1


def test_levels_at_amazon_do_not_vanish_while_amazon_refuses_to_list_them(tmp_path: Path) -> None:
    """Neither a lacking role nor a passing fault says that the stock is gone."""
    case = load("amazon-fba-403-stops-orders")
    held = {"sellerSku": "FBA-1", "fnSku": "X1", "inventoryDetails": {"fulfillableQuantity": 9}}
    good = Route(path="/fba/", json={"payload": {"inventorySummaries": [held]}})
    with prepared(msgspec.structs.replace(case, routes=(good, *case.routes)), tmp_path) as played:
        played.tick()
        played.case = case
        played.tick()
        played.tick()

    assert available(played) == {"FBA-1": 9, "OWN-4": 4, "OWN-7": 7}


def test_a_403_on_the_stock_at_amazon_leaves_the_other_streams_syncing(tmp_path: Path) -> None:
    """The stock fails with the role's name; the seller's own stock, orders and products are read."""
    case = load("amazon-fba-403-stops-orders")
    played = play(msgspec.structs.replace(case, ticks=4), tmp_path)

    error = played.tasks[0].streams["inventory"].error
    assert error is not None
    assert error.kind == "permission_denied"
    assert "Amazon Fulfillment" in error.action
    assert available(played) == {"OWN-4": 4, "OWN-7": 7}
    assert len(played.stored("orders")) == 1
    assert len(played.stored("products")) == 2


def test_stock_without_details_is_a_level_with_the_quantity_on_hand() -> None:
    """An empty list instead of the details, or none at all."""
    rows = [msgspec.json.decode(raw) for raw in load("amazon-details-empty-array").raw]
    assert len(rows) == 2
    for row in rows:
        found = level(
            within(row["marketplace"], row["kind"], msgspec.Raw(msgspec.json.encode(row["row"]))), False
        )
        assert (found.sku, found.on_hand, found.available, found.incoming) == ("S", 5, None, None)
        assert found.warnings == ("inventoryDetails",)


def test_an_empty_page_with_a_token_does_not_end_the_listing(tmp_path: Path) -> None:
    """The order of the next page is stored, whose token is blank."""
    played = play(load("amazon-empty-page-with-token"), tmp_path)

    assert played.tasks[0].status is TaskStatus.SUCCEEDED
    assert not played.tasks[0].incomplete
    assert list(played.stored("orders")) == ["026-4471920-8830162"]
