"""One document that cannot be read stops no list: it is named, and the others are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.cli.app import parser, run
from orchestrator.errors import NotPossible
from orchestrator.model.messages import Message, encode
from orchestrator.model.run import Run
from orchestrator.operators import connections, dead_letters, pause, run_views
from orchestrator.operators.dead_letters import Effect, Wanted
from orchestrator.operators.health.status import status
from orchestrator.ports import Put, Update
from tests.support.people import ME
from tests.support.world import World, fill

#: By the field that is changed: a wrong type, a word of a later release, and a value too deep.
SPOILT: tuple[dict[str, Any], ...] = (
    {"seq": "seven"},
    {"health": "splendid"},
    {"lease": None},
    {"open": {"run_id": "t-1"}},
    {"streams": {"orders": {"cursor": {"since": "yesterday"}}}},
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two synced connections, and two closed runs."""
    made = World(tmp_path)
    for name in ("bad", "good"):
        made.connect(name)
        fill(made, "orders", 2, name)
    made.run_once()
    made.clock.advance(900)
    made.run_once()
    return made


def printed(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The output of a command, which succeeds as a table and as JSON."""
    capsys.readouterr()
    assert run(world.services, parser().parse_args([*arguments, "--json"])) == 0
    as_json = capsys.readouterr().out
    msgspec.json.decode(as_json)
    assert run(world.services, parser().parse_args(arguments)) == 0
    return as_json + capsys.readouterr().out


@pytest.mark.parametrize("spoilt", SPOILT, ids=str)
def test_an_unreadable_state_is_named_in_every_view(
    world: World, capsys: pytest.CaptureFixture[str], spoilt: dict[str, Any]
) -> None:
    """Lists, one connection and the status show the others, and the fault of this one."""
    fault = "sync_state/bad cannot be read: "
    world.store.commit([Update("sync_state/bad", {"health": "failing", **spoilt})])
    world.store.commit([Update("sync_state/good", {"health": "failing"})])

    listed = printed(world, capsys, "connections", "list")
    assert fault in listed
    assert "good" in listed
    assert fault in printed(world, capsys, "connections", "show", "bad")
    view = status(world.services)
    assert [failing.connection_id for failing in view.failing] == ["good"]
    if "health" not in spoilt:
        (named,) = view.faults
        assert named.startswith(fault)
        assert named.endswith("see docs/operating.md")
    for command in (pause.pause, pause.remove):
        with pytest.raises(NotPossible, match=fault):
            command(world.services, "bad", by=ME)
    world.store.commit([Update("connections/good", {"status": "active"})])


def test_an_unreadable_state_does_not_hide_an_open_run(world: World) -> None:
    """The run's progress shows its other connections."""
    world.clock.advance(900)
    run_id = world.tick().run_id
    world.deliver(world.queue.messages.pop(0))
    world.store.commit([Update("sync_state/bad", {"seq": "seven"})])
    view = run_views.show_run(world.store, run_id)

    assert view.progress is not None
    assert [each.connection_id for each in view.progress.connections] == ["good"]
    assert [fault.partition(" ")[0] for fault in view.faults] == ["sync_state/bad"]


@pytest.mark.parametrize(
    "spoilt", [{"status": "splendid"}, {"tasks": 7}, {"dispatch": 7}, {"started_at": None}], ids=str
)
def test_an_unreadable_run_is_named_in_every_view(
    world: World, capsys: pytest.CaptureFixture[str], spoilt: dict[str, Any]
) -> None:
    """The others are listed; shown alone, its fields are shown as they are."""
    bad, good = (found["run_id"] for found in run_views.list_runs(world.store).runs)
    world.store.commit([Update(f"runs/{bad}", spoilt)])
    fault = f"runs/{bad} cannot be read: "

    listed = printed(world, capsys, "runs", "list")
    assert fault in listed
    assert good in listed
    assert fault in printed(world, capsys, "runs", "show", bad)
    assert [found["run_id"] for found in run_views.list_runs(world.store, marketplace="shopify").runs] == [
        good
    ]
    view = status(world.services)
    assert [found["run_id"] for found in view.runs] == [good]
    assert view.faults[0].startswith(fault)


def test_a_run_without_a_place_in_the_list_breaks_no_page(world: World) -> None:
    """Its `order` is no text."""
    world.store.commit([Put("runs/odd", {**world.get(_newest(world)).data, "order": {"a": 1}})])
    first = run_views.list_runs(world.store, limit=1)
    second = run_views.list_runs(world.store, limit=1, page_token=first.next_page_token)

    assert len(first.runs) == len(second.runs) == 1
    assert second.next_page_token is None


def test_unreadable_parts_of_a_run_are_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A task, and a shard of an open run."""
    path = _newest(world)
    world.store.commit([Put(f"{path}/tasks/bad", {"status": "splendid"})])
    shown = printed(world, capsys, "runs", "show", path.partition("/")[2])
    assert f"{path}/tasks/bad cannot be read: " in shown

    world.clock.advance(900)
    run_id = world.tick().run_id
    world.deliver(world.queue.messages.pop(0))
    world.store.commit([Update(f"runs/{run_id}/shards/shopify-000000", {"ids": 7})])
    shown = printed(world, capsys, "runs", "show", run_id)
    assert f"runs/{run_id}/shards/shopify-000000 cannot be read: " in shown


def test_an_unreadable_run_or_task_keeps_its_dead_letters_alone(world: World, tmp_path: Path) -> None:
    """Their effect is unknown, so they are kept; the others' is told."""
    found = [snapshot["run_id"] for snapshot in run_views.list_runs(world.store).runs]
    runs = {name: msgspec.convert(world.get(f"runs/{name}").data, Run) for name in found}
    queue = LocalQueue(tmp_path / "queue.db", "http://127.0.0.1:9/", delivers=False)
    for run_id, connection_id in ((found[0], "good"), (found[1], "bad"), (found[1], "good")):
        message = Message(
            kind="task",
            run_id=run_id,
            order=runs[run_id].order,
            deadline_at=runs[run_id].deadline_at,
            marketplace="shopify",
            shard="shopify-000000",
            connection_id=connection_id,
        )
        queue.bury(encode(message), reason="", attributes={})
    world.store.commit([Update(f"runs/{found[0]}", {"status": "splendid"})])
    world.store.commit([Update(f"runs/{found[1]}/tasks/bad", {"status": "splendid"})])
    letters = LocalDeadLetters(tmp_path / "queue.db")
    report = dead_letters.look(world.services, letters, Wanted())

    assert [letter.effect for letter in report.letters] == [Effect.KEEP, Effect.KEEP, Effect.REMOVE]
    assert all("cannot be read" in letter.why for letter in report.letters[:2])
    queue.close()
    letters.close()


def test_an_unfinished_removal_is_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """It is in no list of connections: the list's footer, the status and the connection's id tell of it."""
    connections.edit(world.services, "bad", pause.Removal(world.services, "bad", by=ME).begin)

    assert "marketplace-sync connections remove bad" in printed(world, capsys, "connections", "list")
    assert status(world.services).connections.removing == 1
    pause.remove(world.services, "bad", by=ME)
    assert "connections remove bad" not in printed(world, capsys, "connections", "list")
    assert status(world.services).connections.removing == 0


def test_an_edited_marketplace_is_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """In the list, and above the other facts of the connection."""
    world.connect("bad", marketplace="takealot")
    world.store.commit([Update("sync_state/bad", {"health": "failing"})])

    for arguments in (["list"], ["show", "bad"]):
        assert "edited from shopify to takealot" in printed(world, capsys, "connections", *arguments)
    (failing,) = status(world.services).failing
    assert "edited from shopify to takealot" in failing.action


def _newest(world: World) -> str:
    """The path of the newest run."""
    run_id: str = run_views.list_runs(world.store, limit=1).runs[0]["run_id"]
    return f"runs/{run_id}"
