"""Every action of a person is recorded with its effect: who, through which face, about what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import NotFound, NotPossible, RequestError
from orchestrator.model.audit import Action, Actor, AuditEntry, Face
from orchestrator.model.messages import Message
from orchestrator.operators import pause
from orchestrator.operators.audit_views import list_audit
from orchestrator.operators.stored_records import complete_envelopes
from orchestrator.ports import Write, Written
from orchestrator.runs.audit import KEPT
from orchestrator.runs.cancel import cancel_run
from orchestrator.runs.start import TriggerRequest, retry_run, start_manual
from tests.core.grave import Grave
from tests.support.people import ME
from tests.support.world import World

ANN = Actor("ann@example.test", Face.PAGE)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Connections `a`, which works, and `b`, whose secret is missing."""
    made = World(tmp_path)
    made.connect("a")
    made.connect("b", credential="missing")
    return made


def entries(world: World) -> list[AuditEntry]:
    """All that is recorded, the latest first."""
    return list_audit(world.store, limit=100).entries


class Commits:
    """A store that keeps the paths of each commit."""

    def __init__(self, world: World) -> None:
        self._store, self.paths = world.store, list[set[str]]()

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Commit, and keep the paths."""
        self.paths.append({write.path for write in writes})
        return self._store.commit(writes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


ACTIONS: dict[Action, tuple[Callable[[World, str], object], str]] = {
    Action.TRIGGER: (
        lambda world, _: start_manual(
            world.services, TriggerRequest(connection_ids=["a"], full=True), by=ANN, idempotency_key=None
        ),
        "runs/m-",
    ),
    Action.RETRY: (lambda world, run_id: retry_run(world.services, run_id, by=ANN), "runs/t-"),
    Action.PAUSE: (lambda world, _: pause.pause(world.services, "a", by=ANN), "connections/a"),
    Action.RESUME: (lambda world, _: pause.resume(world.services, "a", by=ANN), "connections/a"),
    Action.REMOVE: (
        lambda world, _: pause.remove(world.services, "a", by=ANN, purge_records=True),
        "connections/a",
    ),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_recorded_by_its_own_commit(world: World, action: Action) -> None:
    """A crash leaves neither an action without its entry nor an entry without its action."""
    run_id, _ = world.run_once()
    act, effect = ACTIONS[action]
    commits = Commits(world)
    world.services = replace(world.services, store=commits)
    act(world, run_id)

    (entry,) = entries(world)
    assert (entry.actor, entry.face, entry.action) == (ANN.name, Face.PAGE, action)
    assert (entry.connection_id or "a", entry.at) == ("a", world.clock.now())
    assert entry.expires_at - entry.at == KEPT
    (together,) = [paths for paths in commits.paths if any(path.startswith("audit/") for path in paths)]
    assert any(path.startswith(effect) for path in together)


def test_a_cancel_is_recorded_once(world: World) -> None:
    """Who asks again changes nothing, and is not recorded."""
    run_id = world.tick().run_id
    for _ in range(2):
        cancel_run(world.services, run_id, by=ANN)

    (entry,) = entries(world)
    assert (entry.action, entry.run_id, entry.actor) == (Action.CANCEL, run_id, ANN.name)


def test_a_repeated_trigger_is_recorded_once(world: World) -> None:
    """The same key is the same run."""
    for _ in range(2):
        start_manual(world.services, TriggerRequest(streams=["orders"]), by=ANN, idempotency_key="k")

    (entry,) = entries(world)
    assert (entry.details, entry.connection_id) == ("streams orders", None)
    assert entry.run_id is not None
    assert world.get(f"runs/{entry.run_id}").data["requested_by"] == ANN.name


def test_refused_actions_and_ticks_are_not_recorded(world: World) -> None:
    """Nothing was done."""
    run_id, _ = world.run_once()
    refusals: list[Callable[[], object]] = [
        lambda: pause.pause(world.services, "nobody", by=ANN),
        lambda: cancel_run(world.services, run_id, by=ANN),
        lambda: complete_envelopes(world.services, "nobody", by=ANN),
        lambda: start_manual(
            world.services, TriggerRequest(streams=["nonsense"]), by=ANN, idempotency_key=None
        ),
    ]
    for refused in refusals:
        with pytest.raises((NotFound, NotPossible, RequestError)):
            refused()

    assert entries(world) == []


def test_a_replay_is_recorded_before_its_messages_move(grave: Grave) -> None:
    """Messages are in no commit, so the entry comes first; a look is no action."""
    grave.bury(Message(kind="heal"))
    grave.look()
    assert entries(grave.world) == []
    grave.replay()

    (entry,) = entries(grave.world)
    assert (entry.action, entry.actor, entry.details) == (Action.REPLAY, ME.name, "1 dead letters")


def test_actions_are_listed_by_connection_and_by_run_in_pages(world: World) -> None:
    """The latest first; pages join without a gap."""
    for name in ("a", "b", "a"):
        pause.pause(world.services, name, by=ANN)
        pause.resume(world.services, name, by=ANN)
        world.clock.advance(60)
    first = list_audit(world.store, connection_id="a", limit=3)
    rest = list_audit(world.store, connection_id="a", limit=3, page_token=first.next_page_token)
    times = [entry.at for entry in first.entries + rest.entries]

    assert len(times) == 4
    assert times == sorted(times, reverse=True)
    assert rest.next_page_token is None
    assert {entry.connection_id for entry in first.entries + rest.entries} == {"a"}
    assert list_audit(world.store, run_id="m-1").entries == []
    with pytest.raises(RequestError, match="page_token"):
        list_audit(world.store, page_token="bm9wZQ")
