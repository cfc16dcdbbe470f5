"""Following a run until it is closed."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console

from orchestrator.cli.follow import follow
from orchestrator.model.documents import to_document
from orchestrator.model.run import Run, RunStatus, Shard, TaskStatus
from orchestrator.operators.run_views import RunView
from orchestrator.ports import Put, Update
from orchestrator.services import Services
from tests.cli.conftest import START
from tests.cli.test_command_line import task
from tests.support.clocks import VirtualClock


@pytest.fixture(autouse=True)
def run(services: Services) -> None:
    """A running run of two connections, both still open."""
    document = Run(
        trigger="scheduler",
        requested_by="scheduler",
        order="2026|t-1",
        status=RunStatus.RUNNING,
        dispatch={},
        dispatched_at=START,
        deadline_at=START + timedelta(hours=1),
        started_at=START,
        expires_at=START + timedelta(days=30),
    )
    shard = Shard(marketplace="shopify", ids=("shop-1", "shop-2"), open=2, expires_at=START)
    services.store.commit(
        [
            Put("runs/t-1", to_document(document)),
            Put("runs/t-1/shards/shopify-000000", to_document(shard)),
        ]
    )


def close(services: Services) -> None:
    """The worker ends the run while the follower sleeps."""
    done = to_document(task("t-1", "shop-1"))
    services.store.commit(
        [
            Put("runs/t-1/tasks/shop-1", done),
            Update("runs/t-1/shards/shopify-000000", {"open": 1}),
            Update("runs/t-1", {"status": RunStatus.SUCCEEDED.value}),
        ]
    )


@pytest.mark.parametrize("terminal", [False, True])
def test_it_ends_with_the_run(services: Services, clock: VirtualClock, *, terminal: bool) -> None:
    """The final view is returned; the progress was shown on a terminal, or as lines."""
    clock.meanwhile = lambda: close(services)
    shown = io.StringIO()
    screen = Console(file=shown, force_terminal=terminal, width=100)
    view = follow(services.store, clock, "t-1", screen)

    assert view.run["status"] == "succeeded"
    assert view.tasks[0]["status"] == TaskStatus.SUCCEEDED
    if not terminal:
        assert shown.getvalue() == "running: 0 of 2 connections done, 0 records read\n"


def test_the_callback_may_end_it(services: Services) -> None:
    """An error raised by the callback ends the waiting; the local stack notices a dead process by it."""

    def look(view: RunView) -> None:
        raise ChildProcessError(view.run["run_id"])

    with pytest.raises(ChildProcessError, match="t-1"):
        follow(services.store, services.clock, "t-1", Console(file=io.StringIO()), look=look)


def test_a_run_that_is_still_planned_names_no_count(services: Services, clock: VirtualClock) -> None:
    """Before all connections are planned, a count of 0 would read as a run that does not move."""
    services.store.commit([Update("runs/t-1", {"status": RunStatus.DISPATCHING.value})])
    clock.meanwhile = lambda: close(services)
    shown = io.StringIO()
    follow(services.store, clock, "t-1", Console(file=shown, force_terminal=False, width=100))

    assert shown.getvalue() == "dispatching: the connections are being planned\n"
