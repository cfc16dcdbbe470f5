"""200 connections at once on four workers: nobody waits for the large and the slow one among them."""

from __future__ import annotations

import pytest

from orchestrator.model.run import RunStatus
from orchestrator.sync import pages
from tests.system.load.plant import PAGE_ROWS, Account, Plant

pytestmark = pytest.mark.long

OTHERS = {f"c{n:03d}": Account() for n in range(198)}
#: A hundred times the orders; and every page takes more than a minute.
LARGE = Account(orders=100 * Account().orders)
SLOW = Account(orders=15 * PAGE_ROWS, page_s=65.0)
WORKERS, SLOTS = 4, 8
#: The two take a slot each: with 30 of 32 slots everything takes so many times as long.
FACTOR = WORKERS * SLOTS / (WORKERS * SLOTS - 2)
#: So long after its slice an invocation has ended at the latest; its function would be ended 30 s later.
MARGIN_S = 2.0


@pytest.fixture(autouse=True)
def _every_page_is_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "JOINED_RECORDS", 1)


@pytest.fixture
def alone() -> Plant:
    """The same connections, where the two are as the others: so that all come in the same order."""
    plant = Plant({"a-large": Account(), "a-slow": Account(), **OTHERS}, workers=WORKERS, slots=SLOTS)
    assert plant.run().status is RunStatus.SUCCEEDED
    return plant


@pytest.fixture
def together() -> Plant:
    """The others with the two, which come first."""
    plant = Plant({"a-large": LARGE, "a-slow": SLOW, **OTHERS}, workers=WORKERS, slots=SLOTS)
    assert plant.run().status is RunStatus.SUCCEEDED
    return plant


def test_no_connection_waits_for_the_large_or_the_slow_one(alone: Plant, together: Plant) -> None:
    """Each of the others is done as soon as 30 slots can do it, and at most its own work later."""
    own_s = max(seconds for seconds, message in alone.seen.handled_s if message.kind == "task")
    late = {name: together.seen.done_s[name] - FACTOR * alone.seen.done_s[name] for name in OTHERS}
    last = max(together.seen.done_s[name] for name in OTHERS)

    assert own_s < 2.0
    assert max(late.values()) <= own_s
    assert together.seen.done_s["a-large"] > 5 * last
    assert together.seen.done_s["a-slow"] > 30 * last


def test_no_message_is_ended_without_a_result(together: Plant) -> None:
    """Every invocation ends by itself with its slice, and none has to be delivered again."""
    slice_s = together.workers[0].services.settings.slice_seconds
    longest, message = max(together.seen.handled_s, key=lambda each: each[0])

    assert message.connection_id == "a-slow"
    assert longest > slice_s * 0.9
    assert longest <= slice_s + MARGIN_S
    assert together.seen.refused == []


def test_queue_and_work_in_flight_are_bounded(together: Plant) -> None:
    """At most a message a connection waits, a slot holds one, an invocation has one page and one commit."""
    assert together.lanes[0].most_waiting <= len(together.accounts) + 1
    assert together.lanes[0].most_working <= WORKERS * SLOTS
    assert max(each.pool.most for each in together.workers) <= 2 * SLOTS + 1


def test_the_slow_one_makes_all_its_progress(together: Plant) -> None:
    """A page that did not come in its slice is read once more, and only that one."""
    continued = sum(message.connection_id == "a-slow" for _, message in together.seen.handled_s) - 1

    assert continued >= 1
    assert together.seen.calls["a-slow"] <= 15 + continued
    assert together.seen.calls["a-large"] == 300
