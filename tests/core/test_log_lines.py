"""Log messages stand alone: each names its connection, record, counts and seconds, with fields beside it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.errors import CredentialsRejected, RateLimited
from orchestrator.marketplaces.spec import Unshown
from tests.support.lines import kept, run_once
from tests.support.world import START, FakeClient, World

HOUR = timedelta(hours=1)


def _spend(world: World) -> None:
    world.bazaar.at_call = lambda client, stream, token: world.clock.advance(2)


def test_a_finished_task_tells_its_counts_and_seconds(world: World) -> None:
    """The text of `task_finished` alone says which connection, how it ended, how long and what it brought."""
    world.connect("my-shop")
    world.bazaar.shop("my-shop").put("orders", "o1", START - HOUR)
    world.bazaar.shop("my-shop").put("orders", "o2", START - HOUR, broken=True)
    _spend(world)
    with kept() as lines:
        run_id = run_once(world)
    (line,) = lines.of("task_finished")

    assert line["message"] == (
        "my-shop (shopify): task succeeded in 2.0 s: 2 records read, 1 written, 1 rejected"
    )
    assert (line["seconds"], line["status"], line["marketplace_calls"]) == (2.0, "succeeded", 1)
    assert line["records"] == {"seen": 2, "written": 1, "unchanged": 0, "deleted": 0, "rejected": 1}
    assert line["logging.googleapis.com/labels"] == {
        "run_id": run_id,
        "connection_id": "my-shop",
        "marketplace": "shopify",
    }


def test_a_closed_run_is_about_all_its_connections(world: World) -> None:
    """The connection whose task closes the run is not named by the run's line."""
    for name in ("a", "b"):
        world.connect(name)
        world.bazaar.shop(name).put("orders", "o1", START - HOUR)
    world.connect("c", credential="missing")
    _spend(world)
    with kept() as lines:
        run_id = run_once(world)
    (line,) = lines.of("run_closed")

    assert line["message"] == (
        f"run {run_id} partial in 4.0 s: of 3 connections 2 succeeded, 1 failed, 0 were skipped; "
        "2 records read, 2 written"
    )
    assert line["tasks"] == {"total": 3, "succeeded": 2, "failed": 1, "skipped": 0}
    assert line["logging.googleapis.com/labels"] == {"run_id": run_id}
    assert "connection_id" not in line


def test_a_run_without_connections_is_told_too(world: World) -> None:
    """With all connections paused a tick still leaves the line that a run was closed."""
    world.connect("a", status="paused")
    with kept() as lines:
        run_id = run_once(world)
    (line,) = lines.of("run_closed")

    assert line["message"].startswith(f"run {run_id} succeeded in 0.0 s: of 0 connections")


def test_a_skipped_task_says_why(world: World) -> None:
    """A connection that a tick leaves out has its line as well: the log answers why nothing came."""
    world.connect("a")
    run_once(world)
    refused = CredentialsRejected("shopify orders: answered 401", action="store a valid credential")

    def refuse(client: FakeClient, stream: str, token: str | None) -> None:
        raise refused

    world.bazaar.at_call = refuse
    with kept() as lines:
        for _ in range(2):
            world.clock.advance(900)
            run_once(world)
    (failed,) = lines.of("sync_failed")
    first, second = lines.of("task_finished")

    assert failed["message"] == (
        "a (shopify): orders failed: shopify orders: answered 401; remedy: store a valid credential"
    )
    assert (failed["kind"], failed["remedy"]) == ("credentials_rejected", "store a valid credential")
    assert first["message"].startswith("a (shopify): task failed (credentials_rejected) in 0.0 s: ")
    assert second["message"] == "a (shopify): task skipped (needs_attention)"


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_reject_names_its_record(world: World, *, is_shown: bool) -> None:
    """The line has the record's id and the reject's, once; a reject that is met again has none."""
    world.connect("a", streams=["products"])
    world.bazaar.shop("a").put("products", "p-17", START, broken=is_shown)
    if not is_shown:
        world.bazaar.unshown["p-17"] = lambda row: Unshown(row.id, "it is archived", row.id)
    with kept() as lines:
        for _ in range(2):
            run_once(world)
            world.clock.advance(900)
    (line,) = lines.of("record_rejected")

    reason = (
        "value is broken - at `$.value`" if is_shown else "the marketplace cannot show it: it is archived"
    )
    assert line["message"] == f"a (shopify): record rejected: products p-17: {reason}"
    assert (line["record_id"], line["reject"], line["reason"]) == ("p-17", "products-p-17", reason)
    assert world.store.get(f"connections/a/rejects/{line['reject']}") is not None


def test_a_throttled_connection_says_until_when(world: World) -> None:
    """The wait is told in seconds and as a time."""
    world.connect("a")

    def throttle(client: FakeClient, stream: str, token: str | None) -> None:
        raise RateLimited("shopify orders: answered 429", wait_s=600)

    world.bazaar.at_call = throttle
    with kept() as lines:
        run_once(world)
    (line,) = lines.of("task_deferred")

    until = START + timedelta(seconds=600)
    assert line["message"] == (f"a (shopify): throttled: the marketplace asks to wait 600.0 s, until {until}")
    assert line["seconds"] == 600.0
