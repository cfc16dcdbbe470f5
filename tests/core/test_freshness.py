"""Freshness: `since_at` and `late_at` are true about the data, whatever happens to a connection."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import CredentialsRejected, MarketplaceUnavailable, RateLimited
from orchestrator.model import freshness, ids
from orchestrator.model.cause import Blame, Cause, blame_of
from orchestrator.model.connection import STREAMS
from orchestrator.model.counts import ErrorInfo
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.freshness import LATE_AFTER, Pace
from orchestrator.model.state import Cursor, Health, Refused, StreamState, SyncState
from orchestrator.operators import connections, pause
from orchestrator.ports import Update
from orchestrator.runs.start import TriggerRequest, start_manual
from orchestrator.tasks.pace import pace_of
from tests.support.people import ME
from tests.support.world import START, World

INTERVAL = timedelta(minutes=15)
AGE = timedelta(minutes=2)
ERROR = ErrorInfo(kind="credentials_rejected", message="refused", action="renew it")


def fails(error: type[Exception], **fields: Any) -> Callable[..., None]:
    """Every call fails."""

    def at_call(*_: object) -> None:
        raise error("bazaar: answered no", **fields)

    return at_call


class Life:
    """One connection, and everything that can happen to it."""

    def __init__(self, path: Path) -> None:
        self.world = World(path)
        self.world.bazaar.page_size = 2
        self._add(["orders", "products"])

    def _add(self, streams: list[str]) -> None:
        self.world.connect("a", streams=streams)

    def step(self, what: str) -> None:
        """Let something happen."""
        self._steps()[what]()
        self.world.clock.advance(420)

    def _steps(self) -> dict[str, Callable[[], object]]:
        world, services = self.world, self.world.services
        return {
            "tick": world.run_once,
            "undelivered tick": self._undelivered,
            "half a run": self._half,
            "full": self._full,
            "drain": world.drain,
            "down": lambda: self._fail(fails(MarketplaceUnavailable)),
            "refused": lambda: self._fail(fails(CredentialsRejected)),
            "throttled": lambda: self._fail(fails(RateLimited, wait_s=1200)),
            "up": lambda: self._fail(None),
            "pause": lambda: pause.pause(services, "a", by=ME),
            "resume": lambda: pause.resume(services, "a", by=ME),
            "remove and add": self._remove_and_add,
            "edit": self._edit,
        }

    def _undelivered(self) -> None:
        self.world.tick()
        self.world.queue.messages.clear()

    def _half(self) -> None:
        self.world.tick()
        for _ in range(2):
            self.world.deliver(self.world.queue.messages.pop(0))

    def _full(self) -> None:
        request = TriggerRequest(full=True)
        start_manual(self.world.services, request, by=ME, idempotency_key=None)
        self.world.drain()

    def _fail(self, at_call: Callable[..., None] | None) -> None:
        self.world.bazaar.at_call = at_call

    def _remove_and_add(self) -> None:
        if not self.world.queue.messages:
            pause.remove(self.world.services, "a", by=ME)
            assert self._state().late_at is None
            self._connect_anew()

    def _edit(self) -> None:
        now = self.world.clock.now()
        streams = [["orders"], ["orders", "products"], ["orders", "inventory"]][now.minute % 3]
        path = ids.connection_path("a")
        self.world.store.commit([Update(path, {"streams": streams, "updated_at": now})])

    def _connect_anew(self) -> None:
        connections.add(
            self.world.services,
            "a",
            by=ME,
            organization_id="org-1",
            marketplace="shopify",
            name="a",
            credential="env:NONE",
            settings={},
            streams=["orders"],
        )

    def _state(self) -> SyncState:
        snapshot = self.world.store.get(ids.state_path("a"))
        return from_document(SyncState, snapshot.data) if snapshot is not None else SyncState()

    def check(self, *, is_settled: bool) -> None:
        """Whatever happened, the state tells the truth about the data."""
        world, state = self.world, self._state()
        document = world.get(ids.connection_path("a")).data
        if state.late_at is not msgspec.UNSET:
            assert (state.late_at is None) == (document["status"] != "active")
        if not is_settled:
            return
        own = pace_of(world.services, document).streams
        sinces = [state.streams[name].cursor.since if name in state.streams else None for name in own]
        known = [since for since in sinces if since is not None]
        assert state.since_at == (min(known) if len(known) == len(sinces) else None)
        assert state.organization_id == "org-1"
        if isinstance(state.late_at, datetime) and state.since_at is not None:
            times = [since + age for since, age in zip(known, own.values(), strict=True)]
            assert state.late_at == min(times) + LATE_AFTER * INTERVAL
        if state.health is not Health.OK:
            assert state.cause is not None


STEPS = [
    "tick",
    "tick",
    "tick",
    "undelivered tick",
    "full",
    "half a run",
    "drain",
    "down",
    "refused",
    "throttled",
    "up",
    "pause",
    "resume",
    "remove and add",
    "edit",
]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=14))
def test_lateness_is_never_wrong_about_data(steps: list[str]) -> None:
    """`late_at` is null if and only if the connection is paused, and `since_at` is the oldest `since`."""
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder))
        for step in steps:
            life.step(step)
            # An edit is seen by the next task.
            life.check(
                is_settled=step == "tick" and life.world.get("connections/a").data["status"] == "active"
            )
        life.step("up")
        life.step("resume")
        life.step("drain")
        for _ in range(12):
            life.step("tick")
        life.world.connect("a", streams=["orders"])
        for _ in range(6):
            life.step("tick")
        life.check(is_settled=True)
        state = life.world.state("a")
        assert isinstance(state.late_at, datetime)
        assert state.late_at > life.world.clock.now()
        assert (state.cause, state.health) == (None, Health.OK)


def test_a_hand_paused_connection_is_not_late(world: World) -> None:
    """Its next task, if any, sees that; an edit back is seen as well."""
    world.connect("a")
    world.run_once()
    world.clock.advance(900)
    world.tick()
    world.deliver(world.queue.messages.pop(0))
    world.connect("a", status="paused")
    world.drain()
    assert world.state("a").late_at is None
    world.clock.advance(900)
    world.connect("a")
    world.run_once()

    assert isinstance(world.state("a").late_at, datetime)


def test_a_connection_of_its_own_interval(world: World) -> None:
    """It is late after three of its own intervals, not of the ticks'."""
    world.connect("a", interval_minutes=60)
    world.run_once()
    state = world.state("a")

    assert state.since_at is not None
    assert state.late_at == state.since_at + AGE + timedelta(hours=3)


@pytest.mark.parametrize("minutes", [None, "60", -1, 0, 10**12, 1.5, True])
def test_a_malformed_interval_is_none(minutes: object) -> None:
    """People write documents."""
    document = {"status": "active", "streams": "orders", "interval_minutes": minutes}
    pace = Pace.of(document, {"orders": AGE}, INTERVAL)

    assert (pace.interval, pace.streams, pace.is_active) == (INTERVAL, {}, True)


def test_a_resting_listing_is_not_late_meanwhile() -> None:
    """A catalogue that takes an hour to list rests for nine, on purpose."""
    pace = Pace({"orders": AGE, "products": AGE}, INTERVAL)
    rests_until = START + timedelta(hours=9)
    streams = {
        "orders": StreamState(cursor=Cursor(since=rests_until)),
        "products": StreamState(cursor=Cursor(since=START), rests_until=rests_until),
    }
    state = freshness.measured(SyncState(streams=streams), pace, START)

    assert (state.since_at, state.late_at) == (START, rests_until + AGE + LATE_AFTER * INTERVAL)


def test_a_first_read_is_late_after_three_intervals() -> None:
    """A stream that has never been complete keeps the connection's time to be late."""
    pace = Pace({"orders": AGE, "products": AGE}, INTERVAL)
    first = freshness.measured(SyncState(), pace, START)
    streams = {"orders": StreamState(cursor=Cursor(since=START + timedelta(hours=1)))}
    later = freshness.measured(msgspec.structs.replace(first, streams=streams), pace, START + INTERVAL)

    assert first.since_at is None
    assert first.late_at == later.late_at == START + LATE_AFTER * INTERVAL


def test_a_state_without_measure_stays_so_in_its_document() -> None:
    """The field is absent, which is not null."""
    document = to_document(SyncState())

    assert "late_at" not in document
    assert from_document(SyncState, document).late_at is msgspec.UNSET
    assert from_document(SyncState, {**document, "late_at": None}).late_at is None


def cause(kind: str, minute: int = 0) -> Cause:
    """A cause that begins some minutes after the start."""
    return Cause(kind=kind, message=kind, since=START + timedelta(minutes=minute))


@pytest.mark.parametrize(
    ("before", "health", "new", "kept"),
    [
        ("credentials_rejected", Health.NEEDS_ATTENTION, "rate_limited", True),
        ("credentials_rejected", Health.NEEDS_ATTENTION, "no_answer", True),
        ("credentials_rejected", Health.NEEDS_ATTENTION, "permission_denied", False),
        ("credentials_rejected", Health.FAILING, "request_rejected", False),
        ("marketplace_unavailable", Health.FAILING, "rate_limited", True),
        ("marketplace_unavailable", Health.OK, "incomplete", False),
        ("rate_limited", Health.OK, "incomplete", False),
        ("rate_limited", Health.OK, "no_answer", False),
    ],
)
def test_what_needs_a_person_is_not_hidden(before: str, health: Health, new: str, *, kept: bool) -> None:
    """A wait, or a run that nobody worked on, says nothing about an error before it."""
    state = SyncState(health=health, cause=cause(before))
    after = freshness.with_cause(state, cause(new, 15)).cause

    assert after == (cause(before) if kept else cause(new, 15))


def test_a_cause_keeps_its_beginning() -> None:
    """While tasks end with the same kind."""
    state = SyncState(health=Health.FAILING, cause=cause("marketplace_unavailable"))
    state = freshness.with_cause(state, cause("marketplace_unavailable", 15))

    assert state.cause is not None
    assert state.cause.since == START
    assert freshness.with_cause(state, None).cause is None


def test_a_working_credential_clears_the_refusal() -> None:
    """Ticks try it at once, all of its streams."""
    state = SyncState(
        health=Health.NEEDS_ATTENTION,
        refused_at=START,
        refusals=3,
        last_error=ERROR,
        cause=Cause.of(ERROR, START),
        consecutive_failures=3,
        streams={name: StreamState(refused=Refused(at=START, error=ERROR)) for name in STREAMS},
    )
    after = freshness.cleared(state, START)

    assert (after.health, after.cause, after.refused_at, after.refusals) == (Health.OK, None, None, 0)
    assert [stream.refused for stream in after.streams.values()] == [None] * len(STREAMS)
    assert freshness.cleared(state, START - timedelta(seconds=1)) == state


def test_every_kind_has_a_side() -> None:
    """The marketplace's trouble is not the connection's."""
    assert blame_of("marketplace_unavailable") is Blame.MARKETPLACE
    assert blame_of("secret_missing") is Blame.CONNECTION
    assert blame_of("rate_limited") is Blame.THROTTLED
    assert blame_of("late") is blame_of("incomplete") is Blame.BACKLOG
    assert blame_of("crashed") is blame_of("anything") is Blame.SYNC
