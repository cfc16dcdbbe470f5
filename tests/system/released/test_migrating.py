"""A store of the last release under streams of another version: the next ticks rewrite it beside changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.marketplaces.spec import Listing
from orchestrator.model import ids
from orchestrator.model.run import Task, TaskStatus
from orchestrator.model.state import StreamState
from orchestrator.operators.pause import resume
from orchestrator.sync.migration import turns
from tests.marketplaces.conformance.case import every
from tests.support.people import ME
from tests.system.released.replay import Release, Replay, replaying, versions
from tests.system.released.scene import TICK_S, role_of
from tests.system.released.test_working import assert_holds_the_truth

# The framework itself calls datetime.utcnow(), deprecated from Python 3.12 on.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

DAY_S = 86_400.0
NEVER, ALWAYS = 10**9, 1
#: Ticks after which every migration has ended, if each tick is every connection's turn.
MOST = 6
MARKETPLACES = 5


def raise_versions(replay: Replay) -> None:
    """Give every stream a version that no release has had."""
    connectors = {
        name: dataclasses.replace(
            connector,
            streams={
                each.name: dataclasses.replace(each, version=each.version + 1)
                for each in connector.streams.values()
            },
        )
        for name, connector in replay.scene.services.connectors.items()
    }
    replay.scene.services = dataclasses.replace(replay.scene.services, connectors=connectors)


def well(replay: Replay) -> list[str]:
    """The connections whose credential is accepted."""
    return [each.id for each in every(replay.scene.store, "connections") if role_of(each.id) != "refused"]


def steady(replay: Replay) -> Iterator[tuple[str, str, StreamState]]:
    """The streams that the release had read to their end, and that do not list everything."""
    for marketplace, connector in replay.scene.services.connectors.items():
        name = f"{marketplace}-steady"
        for stream, state in replay.scene.state(name).streams.items():
            if connector.streams[stream].listing is not Listing.SNAPSHOT:
                yield name, stream, state


def tasks(replay: Replay, run_id: str) -> dict[str, Task]:
    """The tasks of the connections that are well, which all succeeded."""
    found = {name: replay.scene.task(run_id, name) for name in well(replay)}
    for name, task in found.items():
        assert (task.status, task.incomplete) == (TaskStatus.SUCCEEDED, False), (name, task)
    return found


def is_migrated(replay: Replay) -> bool:
    """Whether no history is left to be rewritten."""
    states = [replay.scene.state(name) for name in well(replay)]
    return all(stream.migration == () for state in states for stream in state.streams.values())


def test_a_store_of_the_last_release_is_migrated_by_the_next_ticks(
    release: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Changes arrive at the first tick, every record is rewritten soon, and then nothing is written."""
    store = release.embedded_store(tmp_path)
    with replaying(release, store) as replay:
        raise_versions(replay)
        for marketplace in replay.sellers:
            resume(replay.scene.services, f"{marketplace}-paused", by=ME)
        before = {name: versions(store, name) for name in well(replay)}

        monkeypatch.setattr(turns, "TURNS", NEVER)
        check_first_tick(replay)
        monkeypatch.setattr(turns, "TURNS", ALWAYS)
        replay.release_held()
        for _ in range(MOST):
            replay.tick(TICK_S)
        assert is_migrated(replay)
        # A long listing of everything may rest afterwards.
        replay.tick(DAY_S)
        replay.release_held()
        check_rewritten(replay, before)

        rewritten = {name: versions(store, name) for name in well(replay)}
        last = tasks(replay, replay.tick(TICK_S))
        assert {name: versions(store, name) for name in well(replay)} == rewritten
        assert not any(counts.written for task in last.values() for counts in task.streams.values())
    store.close()


def check_first_tick(replay: Replay) -> None:
    """Changes since the release was stopped are stored, and no history was read for them."""
    since = {(name, stream): state.cursor.since for name, stream, state in steady(replay)}
    for seller in replay.sellers.values():
        seller.small.change(new_orders=2, at=replay.scene.clock.now() + timedelta(seconds=TICK_S / 2))
    replay.tick(TICK_S)

    assert len(since) >= MARKETPLACES
    for marketplace, seller in replay.sellers.items():
        stored = {each.id for each in every(replay.scene.store, f"connections/{marketplace}-steady/orders")}
        assert {ids.escape(name) for name in seller.small.truth("orders")} <= stored
    for name, stream, state in steady(replay):
        known, cursor = since[name, stream], state.cursor
        assert known is not None
        assert cursor.since is not None
        assert cursor.since > known
        assert state.migration
        assert (state.migration[0].until, state.migration[0].token) == (known, None), (name, stream)


def check_rewritten(replay: Replay, before: Mapping[str, Mapping[str, object]]) -> None:
    """Each record that its marketplace still lists was written again, and all of them are there."""
    for name, known in before.items():
        assert_holds_the_truth(replay, name)
        now = versions(replay.scene.store, name)
        assert known.keys() <= now.keys()
        gone = {path for path in known if replay.scene.get(path).data["deleted_at"] is not None}
        assert [path for path in known.keys() - gone if known[path] == now[path]] == []
