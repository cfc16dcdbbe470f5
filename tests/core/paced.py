"""Connections with an interval of their own, and the ticks that cover them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestrator.model.paces import next_at, pace_of
from tests.support.world import World

DAY = 24 * 60
SLOT = timedelta(minutes=15)


def document(minutes: object) -> dict[str, Any]:
    """The field that people set."""
    return {"interval_minutes": minutes}


def connect(world: World, name: str, minutes: int | None, **fields: Any) -> None:
    """A connection as the command line writes it, and as if it had been synced before its pace was set."""
    own = document(minutes)
    world.connect(name, **own, pace=pace_of(name, own), **fields)


def covered(world: World, *, slots: int = 1) -> list[str]:
    """A tick some slots after the last one; the connections that it covers."""
    world.clock.advance(900 * slots)
    run_id, run = world.run_once()
    assert run.status.is_final
    return sorted(name for shard in world.shards(run_id) for name in shard.ids)


def settled(world: World) -> World:
    """The same world after the tick that covers everything because it is the first one."""
    world.run_once()
    return world


def slots_until(world: World, name: str, minutes: int) -> int:
    """How many ticks it takes to the connection's next slot."""
    at = next_at(pace_of(name, document(minutes)), world.clock.now())
    assert at is not None
    return -(-int((at - world.clock.now()).total_seconds()) // 900)
