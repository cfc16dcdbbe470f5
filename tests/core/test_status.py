"""The status: the worst first, what to do about it, and a bounded number of reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.embedded.queue import LocalDeadLetters
from orchestrator.errors import (
    CredentialsRejected,
    MarketplaceUnavailable,
    PermissionDenied,
    QueueUnavailable,
    RateLimited,
)
from orchestrator.model import ids
from orchestrator.model.counts import ErrorInfo, MarketplaceTotals, RecordTotals, RunCost, TaskTotals
from orchestrator.model.documents import to_document
from orchestrator.model.run import Run, RunStatus
from orchestrator.model.state import Health, SyncState
from orchestrator.operators import pause
from orchestrator.operators.health import status
from orchestrator.operators.health.status_view import Situation, StatusView
from orchestrator.operators.health.verdict import duration
from orchestrator.ports import Put
from tests.core.grave import Grave
from tests.support.people import ME
from tests.support.world import START, World, fill

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def look(world: World) -> StatusView:
    """The status now, without a view of dead letters."""
    return status.status(world.services)


def ticks(world: World, count: int) -> None:
    """So many ticks with all that follows from them, 15 minutes apart."""
    for _ in range(count):
        world.run_once()
        world.clock.advance(900)


def failing(error: type[Exception], *names: str, **fields: Any) -> Any:
    """A marketplace that fails the calls of these connections; of all if none is named."""

    def at_call(client: Any, *_: object) -> None:
        if not names or client.connection_id in names:
            raise error("bazaar: answered no", **fields)

    return at_call


def add_run(world: World, run_id: str, minute: int, run_status: RunStatus, **fields: Any) -> None:
    """Store a run that started a number of minutes before now."""
    at = world.clock.now() - minute * MINUTE
    run = Run(
        trigger="scheduler",
        requested_by="scheduler",
        schedule_time=at,
        order=ids.order_key(at, run_id),
        status=run_status,
        dispatch={},
        dispatched_at=at,
        deadline_at=at + HOUR,
        started_at=at,
        expires_at=at + 30 * 24 * HOUR,
        **fields,
    )
    world.store.commit([Put(f"runs/{run_id}", to_document(run))])


def share(succeeded: int, failed: int) -> MarketplaceTotals:
    """A marketplace's part of a run."""
    tasks = TaskTotals(total=succeeded + failed, succeeded=succeeded, failed=failed)
    return MarketplaceTotals(tasks=tasks, records=RecordTotals(), cost=RunCost())


def test_all_is_well(world: World) -> None:
    """Every connection is on time, and the sentence tells how old the oldest data is."""
    for name in ("a", "b"):
        world.connect(name)
    world.connect("c", marketplace="takealot")
    ticks(world, 2)
    view = look(world)

    assert (view.situation, view.health, view.action) == (Situation.WELL, Health.OK, "")
    assert view.verdict == "All is well: 3 connections are on time; the oldest data is 17 minutes old."
    assert (view.groups, view.failing, view.faults) == ([], [], [])
    assert {name: each.freshness.on_time for name, each in view.marketplaces.items()} == {
        "shopify": 2,
        "takealot": 1,
    }
    assert view.marketplaces["shopify"].lag_s == 900 + 120
    assert view.day.runs == {"succeeded": 2}
    assert view.day.estimated_usd > 0
    assert view.last_tick_at == START + 900 * timedelta(seconds=1)
    assert view.next_tick_at == START + 2 * timedelta(seconds=900)
    assert view.dead_letters is None


def test_ticks_that_stopped_come_first(world: World) -> None:
    """Whatever else is the case: no tick means that nothing else can be trusted."""
    world.connect("a")
    assert look(world).verdict == "No tick is known; one is due every 15 minutes."
    world.bazaar.at_call = failing(CredentialsRejected)
    ticks(world, 1)
    assert look(world).situation is Situation.NEEDS_ATTENTION
    world.clock.advance(900 + 30)
    assert look(world).situation is Situation.NEEDS_ATTENTION
    world.clock.advance(1)
    assert look(world).verdict == "No tick for 30 minutes; one is due every 15 minutes."
    world.clock.advance(7 * 86_400)
    view = look(world)

    assert (view.situation, view.verdict) == (
        Situation.TICKS_STOPPED,
        "No tick for 7 days; one is due every 15 minutes.",
    )
    assert "scheduler" in view.action
    assert view.next_tick_at == START + timedelta(seconds=900)


def test_no_connection_and_all_paused(world: World) -> None:
    """An empty green run is no good news."""
    ticks(world, 1)
    empty = look(world)
    world.connect("a")
    added = look(world)
    ticks(world, 1)
    pause.pause(world.services, "a", by=ME)
    paused = look(world)
    pause.resume(world.services, "a", by=ME)
    resumed = look(world)

    assert (empty.situation, added.situation) == (Situation.NO_CONNECTIONS, Situation.NOT_MEASURED)
    assert "connections add" in empty.action
    assert (paused.situation, paused.connections.freshness.late) == (Situation.ALL_PAUSED, 0)
    assert "(1 of them, the last one since 2026-11-23 06:30Z)" in paused.verdict
    assert "connections resume" in paused.action
    assert "audit list" in paused.action
    assert resumed.situation is Situation.WELL


def test_dead_letters_wait_for_a_decision(grave: Grave) -> None:
    """They are counted where that is cheap."""
    ticks(grave.world, 1)
    grave.queue.bury(b"?", reason="nonsense", attributes={})
    view = status.status(grave.world.services, grave.letters)

    assert (view.dead_letters, view.situation) == (1, Situation.DEAD_LETTERS)
    assert "dead list" in view.action


def test_dead_letters_that_cannot_be_counted_are_not_measured(
    grave: Grave, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that does not answer takes nothing else from the status."""

    def away(_: object) -> int:
        raise QueueUnavailable("no answer")

    monkeypatch.setattr(LocalDeadLetters, "count", away)

    assert status.status(grave.world.services, grave.letters).dead_letters is None


def test_a_marketplace_that_is_down_is_named_as_such(world: World) -> None:
    """Since when, and how many connections; a connection that fails alone blames no marketplace."""
    for name in ("a", "b", "c"):
        world.connect(name)
    world.connect("t", marketplace="takealot")
    ticks(world, 2)
    world.bazaar.at_call = failing(MarketplaceUnavailable, "a")
    ticks(world, 1)
    alone = look(world)
    world.bazaar.at_call = failing(MarketplaceUnavailable, "a", "b")
    ticks(world, 1)
    down = look(world)

    assert (alone.situation, alone.marketplaces["shopify"].failing_since) == (Situation.FAILING, None)
    assert alone.verdict == (
        "1 connection failed at the last task and is not late yet: "
        "shopify does not answer since 2026-11-23 06:30Z."
    )
    assert down.situation is Situation.MARKETPLACE_FAILING
    assert down.verdict == "Shopify does not answer since 2026-11-23 06:30Z: 2 of 3 connections."
    assert "nothing at the connections" in down.action
    (group,) = down.groups
    assert (group.kind, group.marketplace, group.connections) == ("marketplace_unavailable", "shopify", 2)
    assert [each.connection_id for each in group.examples] == ["a", "b"]
    assert down.marketplaces["takealot"].failing_since is None
    world.bazaar.at_call = None
    ticks(world, 1)
    catching_up = look(world)
    assert (catching_up.situation, catching_up.groups[0].kind) == (Situation.LATE, "incomplete")
    ticks(world, 1)
    assert look(world).situation is Situation.WELL


def test_a_refused_credential_stays_in_front_until_it_works(world: World) -> None:
    """Ticks that leave the connection alone hide nothing: the cause stays, in its task's record too."""
    world.connect("a")
    world.connect("b")
    world.bazaar.at_call = failing(CredentialsRejected, "a")
    for tick in range(8):
        run_id, run = world.run_once()
        task, view = world.task(run_id, "a"), look(world)

        assert task.error is not None
        assert task.error.kind == "credentials_rejected"
        assert task.reason == ("needs_attention" if tick % 4 else "credentials_rejected") or tick > 4
        assert view.situation is Situation.NEEDS_ATTENTION
        assert view.verdict == (
            "1 connection needs attention: the marketplace refuses the credential since 2026-11-23 06:00Z."
        )
        assert "connections set ID --secret-file -" in view.action
        assert view.groups[0].since == START
        assert view.groups[0].late == (1 if tick > 2 else 0)
        assert [each.connection_id for each in view.failing] == ["a"]
        assert run.tasks.succeeded == 1
        world.clock.advance(900)
    world.bazaar.at_call = None
    world.connect("a")
    ticks(world, 1)
    assert world.state("a").health is Health.OK
    ticks(world, 1)

    assert look(world).situation is Situation.WELL
    assert world.state("a").cause is None


def test_a_throttled_connection_is_seen(world: World) -> None:
    """Until when the marketplace asked to wait; late only once its data is."""
    world.connect("a")
    ticks(world, 1)
    world.bazaar.at_call = failing(RateLimited, wait_s=3 * 3600)
    run_id, run = world.run_once()
    view = look(world)

    assert (view.situation, view.connections.freshness.late) == (Situation.THROTTLED, 0)
    assert view.verdict == ("1 connection is throttled until 2026-11-23 09:15Z, asked by the marketplace.")
    assert (run.tasks.throttled, world.task(run_id, "a").reason) == (1, "rate_limited")
    world.clock.advance(900)
    ticks(world, 2)
    late = look(world)
    assert late.situation is Situation.LATE
    assert late.verdict == "1 connection is late; 1 because the marketplace throttles them."
    assert (late.groups[0].kind, late.groups[0].late) == ("rate_limited", 1)
    assert late.groups[0].since == START + timedelta(seconds=900)
    world.bazaar.at_call = None
    ticks(world, 12)
    assert look(world).situation is Situation.WELL


def test_a_deferred_task_is_throttled_too(world: World) -> None:
    """Its task is still open: nothing has closed, and the cause is told all the same."""
    world.connect("a")
    ticks(world, 1)
    world.bazaar.at_call = failing(RateLimited, wait_s=600)
    world.tick()
    while (state := world.state("a")).lease.not_before is None:
        world.deliver(world.queue.messages.pop(0))

    assert state.open is not None
    assert state.cause is not None
    assert (state.cause.kind, state.cause.until) == ("rate_limited", START + timedelta(seconds=1500))


def test_rejects_and_a_backlog(world: World) -> None:
    """Neither is an error, and both are said."""
    world.connect("a")
    world.bazaar.shop("a").put("orders", "o1", START - HOUR, broken=True)
    world.run_once()
    rejects = look(world)

    assert (rejects.situation, rejects.day.rejected, rejects.rejects) == (Situation.REJECTS_GROWING, 1, 1)
    assert "stored 1 time in the last day; one is of a since 2026-11-23 06:00Z: " in rejects.verdict
    assert "rejects list" in rejects.action
    assert "rejects retry" in rejects.action
    world.bazaar.shop("a").put("orders", "o1", world.clock.now())
    world.clock.advance(900)
    ticks(world, 1)
    stored = look(world)
    assert (stored.situation, stored.day.rejected, stored.rejects) == (Situation.WELL, 1, 0)


def test_a_backlog_is_told_with_its_beginning(tmp_path: Path) -> None:
    """A run that was over before everything was read."""
    world = World(tmp_path, environment={"RUN_SECONDS": "60", "SLICE_SECONDS": "30", "LEASE_SECONDS": "90"})
    world.bazaar.page_size = 1
    world.connect("a")
    fill(world, "orders", 200)
    world.bazaar.at_call = lambda *_: world.clock.advance(5)
    world.run_once()
    world.bazaar.at_call = None
    view = look(world)

    assert (view.situation, view.groups[0].kind) == (Situation.INCOMPLETE, "incomplete")
    assert view.verdict.startswith("1 connection is still reading a backlog since 2026-11-23 06:0")
    assert view.runs[0]["tasks"]["incomplete"] == 1


def test_late_without_a_failure(world: World) -> None:
    """Ticks come, but no worker closes a task: late all the same, and the queue is to be looked at."""
    world.connect("a")
    ticks(world, 1)
    for _ in range(3):
        world.tick()
        world.queue.messages.clear()
        world.clock.advance(900)
    view = look(world)

    assert (view.situation, view.connections.freshness.late) == (Situation.LATE, 1)
    assert [group.kind for group in view.groups] == ["unexplained"]
    assert "queue" in view.action


def test_states_of_an_earlier_release_are_not_measured(world: World) -> None:
    """They lack the fields; what they do say is shown."""
    refused = ErrorInfo(kind="credentials_rejected", message="refused", action="renew the token")
    for name, state in {
        "c-1": SyncState(health=Health.FAILING, consecutive_failures=2),
        "c-2": SyncState(health=Health.NEEDS_ATTENTION, last_error=refused),
        "c-3": SyncState(),
    }.items():
        world.connect(name, name=f"Shop {name}")
        document = to_document(state)
        for field in ("late_at", "since_at", "cause"):
            document.pop(field, None)
        world.store.commit([Put(ids.state_path(name), document)])
    world.tick()
    view = look(world)

    assert view.health is Health.NEEDS_ATTENTION
    assert view.situation is Situation.NEEDS_ATTENTION
    assert (view.connections.active, view.connections.failing, view.connections.needs_attention) == (3, 1, 1)
    assert view.connections.freshness.not_measured == 3
    assert [(each.connection_id, each.name) for each in view.failing] == [
        ("c-2", "Shop c-2"),
        ("c-1", "Shop c-1"),
    ]
    assert view.failing[0].action == "renew the token"
    assert view.failing[1].action


def test_marketplaces_sum_up_the_shown_runs(world: World) -> None:
    """Success and lag come from the closed runs among them."""
    add_run(world, "t-0", 5, RunStatus.RUNNING)
    both = {"shopify": share(3, 0), "takealot": share(1, 1)}
    add_run(world, "t-1", 20, RunStatus.PARTIAL, by_marketplace=both)
    add_run(world, "t-2", 35, RunStatus.FAILED, by_marketplace={"takealot": share(2, 0)})
    view = look(world)

    assert view.last_tick_at == START - 5 * MINUTE
    assert [run["run_id"] for run in view.runs] == ["t-0", "t-1", "t-2"]
    assert (view.marketplaces["shopify"].success, view.marketplaces["shopify"].lag_s) == (1.0, 1200.0)
    assert (view.marketplaces["takealot"].success, view.marketplaces["takealot"].lag_s) == (0.75, 2100.0)
    assert view.day.runs == {"running": 1, "partial": 1, "failed": 1}
    assert view.health is Health.OK
    add_run(world, "t-3", 1, RunStatus.FAILED)
    assert look(world).health is Health.FAILING


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "1 minute"),
        (3 * 3600, "3 hours"),
        (86_400, "1 day"),
        (-5, "0 seconds"),
    ],
)
def test_durations_in_words(seconds: int, words: str) -> None:
    """In the largest unit."""
    assert duration(timedelta(seconds=seconds)) == words


def test_a_missing_permission_of_one_stream(world: World) -> None:
    """The other streams go on, and the cause names the stream."""
    world.connect("a", streams=["orders", "products"])

    def at_call(_: object, stream: str, __: object) -> None:
        if stream == "products":
            raise PermissionDenied("bazaar products: answered 403", action="grant read_products")

    world.bazaar.at_call = at_call
    ticks(world, 3)
    (group,) = look(world).groups

    assert (group.kind, group.since) == ("permission_denied", START)
    assert group.examples[0].stream == "products"
