"""Refusals and waits: they hold back the streams that they mean, and an operator sees until when and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.errors import CredentialsRejected, MarketplaceError, PermissionDenied, RateLimited
from orchestrator.marketplaces.spec import Limiter
from orchestrator.model.run import TaskStatus
from orchestrator.model.state import Health
from orchestrator.runs.start import TriggerRequest, start_manual
from tests.support import cases
from tests.support.people import ME
from tests.support.world import START, FakeClient, World, fill

HOUR = timedelta(hours=1)
ALL = ("orders", "products", "inventory")


def refusing(stream: str, error: type[MarketplaceError]) -> Callable[[FakeClient, str, str | None], None]:
    """A marketplace that refuses one stream."""

    def at_call(client: FakeClient, name: str, token: str | None) -> None:
        if name == stream:
            raise error(f"bazaar {name}: answered 403")

    return at_call


@pytest.mark.parametrize("error", [PermissionDenied, CredentialsRejected])
@pytest.mark.parametrize("stream", ALL)
def test_a_403_on_one_endpoint_leaves_the_other_streams_syncing(
    world: World, stream: str, error: type[MarketplaceError]
) -> None:
    """Forty ticks: the others are read at each; the refused one after 1, 2, 4 h, and its error is seen."""
    world.connect("a", streams=ALL)
    for name in ALL:
        fill(world, name, 2)
    world.bazaar.at_call = refusing(stream, error)
    others = set(ALL) - {stream}
    for tick in range(40):
        begun = len(world.bazaar.calls)
        for name in others:
            world.bazaar.shop("a").put(name, f"{name}-{tick}", world.clock.now() - timedelta(minutes=5))
        run_id, _ = world.run_once()
        task, state = world.task(run_id, "a"), world.state("a")

        asked = {call[1] for call in world.bazaar.calls[begun:]}
        assert others <= asked
        assert (stream in asked) == (tick in {0, 4, 12, 28})
        assert (task.status, task.reason) == (TaskStatus.FAILED, error.kind)
        assert task.error is not None
        assert task.error.stream == stream
        assert (state.health, state.refused_at) == (Health.NEEDS_ATTENTION, None)
        for name in others:
            assert f"{name}-{tick}" in world.records("a", name)
            assert state.streams[name].last_success_at == world.clock.now()
        world.clock.advance(900)


@pytest.mark.parametrize("how", ["edit", "person"])
def test_a_refused_stream_is_asked_for_at_once_after_an_edit_or_by_a_person(world: World, how: str) -> None:
    """And once it is accepted, the connection is well again."""
    world.connect("a", streams=ALL)
    world.bazaar.at_call = refusing("products", PermissionDenied)
    world.run_once()
    world.bazaar.at_call = None
    world.clock.advance(900)
    if how == "edit":
        world.connect("a", streams=ALL)
        world.run_once()
    else:
        start_manual(world.services, TriggerRequest(), by=ME, idempotency_key=None)
        world.drain()

    assert world.state("a").streams["products"].refused is None
    assert world.state("a").health is Health.OK


def test_a_refused_credential_is_tried_on_two_streams_and_then_left(world: World) -> None:
    """No stream is accepted: it is the credential, and the whole connection waits."""
    world.connect("a", streams=ALL)

    def refuse(*_: object) -> None:
        raise CredentialsRejected("bazaar: answered 401")

    world.bazaar.at_call = refuse
    world.run_once()
    assert len(world.bazaar.calls) == 2
    for _ in range(3):
        world.clock.advance(900)
        run_id, _ = world.run_once()
        assert world.task(run_id, "a").reason == "needs_attention"

    assert len(world.bazaar.calls) == 2
    assert world.state("a").health is Health.NEEDS_ATTENTION


def test_a_wait_on_top_of_a_refusal_is_kept_within_the_run(world: World) -> None:
    """A refused stream does not take the rest of the run from one that has to wait a little."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "orders", 9)
    world.bazaar.at_call = refusing("products", PermissionDenied)
    world.run_once()
    world.clock.advance(900)
    fill(world, "orders", 12)

    def limit(client: FakeClient, stream: str, token: str | None) -> None:
        client.wait(120)

    world.bazaar.at_call = limit
    started = world.tick()
    world.drain()
    assert not world.run(started.run_id).status.is_final


def test_a_limiter_of_the_whole_key_binds_all_streams(world: World) -> None:
    """After one refusal no further call is made, in this slice or later, until the wait is over."""
    object.__setattr__(world.bazaar.connector, "limiter", Limiter.CONNECTION)
    world.connect("a", streams=ALL)
    for name in ALL:
        fill(world, name, 2)

    def limit(client: FakeClient, stream: str, token: str | None) -> None:
        if stream == "products":
            raise RateLimited("bazaar products: answered 429", wait_s=5000)

    world.bazaar.at_call = limit
    world.run_once()
    assert [call[1] for call in world.bazaar.calls] == ["orders", "products"]
    for _ in range(5):
        world.clock.advance(900)
        world.run_once()
    assert len(world.bazaar.calls) == 2
    world.bazaar.at_call = None
    world.clock.advance(900)
    world.run_once()

    assert {call[1] for call in world.bazaar.calls[2:]} == set(ALL)
    assert len(world.records("a", "inventory")) == 2


def test_a_limiter_of_one_operation_binds_its_stream_alone(world: World) -> None:
    """The others are read at every tick, and the record says until when the limited one waits, and why."""
    world.connect("a", streams=ALL)
    for name in ALL:
        fill(world, name, 2)

    def limit(client: FakeClient, stream: str, token: str | None) -> None:
        if stream == "orders":
            raise RateLimited("bazaar orders: answered 429", wait_s=5000)

    world.bazaar.at_call = limit
    first, _ = world.run_once()
    world.bazaar.at_call = None
    world.clock.advance(900)
    second, _ = world.run_once()

    assert [call[1] for call in world.bazaar.calls] == [*ALL, "products", "inventory"]
    for run_id in (first, second):
        waiting = world.task(run_id, "a").streams["orders"]
        assert waiting.waits_until == START + timedelta(seconds=5000)
        assert waiting.waits_for == "bazaar orders: answered 429"
    document = world.get(f"runs/{second}/tasks/a").data["streams"]
    assert "waits_until" not in document["products"]


def test_only_time_spent_reading_makes_a_listing_rest(world: World) -> None:
    """A listing of a second that was told to wait for ten minutes, and slept through 50 s, does not rest."""
    world.connect("a", streams=["products"])
    fill(world, "products", 9)
    waits = {"3": 50.0, "6": 600.0}

    def slow(client: FakeClient, stream: str, token: str | None) -> None:
        world.clock.advance(1)
        client.wait(waits.pop(token or "", 0.0))

    world.bazaar.at_call = slow
    world.run_once()
    world.clock.advance(900)
    world.run_once()
    state = world.state("a").streams["products"]

    assert len(world.records("a", "products")) == 9
    assert state.took_s < 10
    assert state.rests_until is None


def test_a_resting_listing_says_until_when(world: World) -> None:
    """An operator sees that a stream waits, although nothing fails."""
    world.connect("a", streams=["orders", "products"])
    fill(world, "products", 9)
    world.bazaar.at_call = lambda *_: world.clock.advance(60)
    world.run_once()
    world.clock.advance(900)
    run_id, _ = world.run_once()
    task = world.task(run_id, "a")

    assert task.status is TaskStatus.SUCCEEDED
    assert task.streams["products"].waits_until == world.state("a").streams["products"].rests_until
    assert "rests" in str(task.streams["products"].waits_for)


def test_fba_403_leaves_orders_and_products_at_every_tick(tmp_path: Path) -> None:
    """Amazon without the role for FBA: the case that was reported."""
    case = cases.load("amazon-fba-403-stops-orders")
    with cases.prepared(case, tmp_path) as played:
        for _ in range(case.ticks):
            begun = len(played.requests)
            task = played.tick()
            paths = [request.path for request in played.requests[begun:]]
            assert any("/orders/" in path for path in paths)
            assert any("/listings/" in path for path in paths)
            assert (task.status, task.reason) == (TaskStatus.FAILED, "permission_denied")
            assert task.error is not None
            assert task.error.stream == "inventory"
        assert len(played.stored("orders")) == 1
        assert len(played.stored("products")) == 2
