"""Two lanes: a short first slice among all others, and continuations on a queue of their own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from orchestrator import wiring
from orchestrator.adapters.embedded.queue import LocalQueue
from orchestrator.adapters.lanes import DeadLanes, Lanes
from orchestrator.errors import QueueUnavailable, SettingsInvalid
from orchestrator.model.messages import Message, encode
from orchestrator.model.run import RunStatus, TaskStatus
from orchestrator.ports import DeadMessage
from orchestrator.settings import Settings
from tests.support.clocks import START
from tests.support.world import ENVIRONMENT, World, fill

TWO_LANES = {"SYNC_QUEUE_BACKFILL": "local:http://127.0.0.1:8", "FIRST_SLICE_SECONDS": "60"}
CLOUD = {"SYNC_QUEUE": "pubsub:work", "GOOGLE_CLOUD_PROJECT": "project-1"}
TASK = Message(
    kind="task",
    run_id="t-1",
    order="1",
    deadline_at=START + timedelta(hours=1),
    marketplace="shopify",
    shard="shopify-0000",
    connection_id="a",
)
CONTINUATION = msgspec.structs.replace(TASK, slice=1)


@pytest.fixture
def laned(tmp_path: Path) -> World:
    """A world whose workers publish continuations to a lane of their own."""
    world = World(tmp_path, environment=TWO_LANES)
    world.connect("a")
    return world


def first_slice(world: World) -> tuple[str, Message]:
    """Deliver until a task was handed over; returns the run and the continuation."""
    run_id = world.tick().run_id
    while not any(message.is_continuation for message in world.queue.messages):
        world.deliver(world.queue.messages.pop(0))
    (following,) = world.queue.messages
    return run_id, following


def test_a_first_slice_is_short_and_a_continuation_is_whole(laned: World) -> None:
    """A large account holds its place for a minute; elsewhere it continues for SLICE_SECONDS."""
    fill(laned, "orders", 300)
    laned.bazaar.at_call = lambda *_: laned.clock.advance(10)
    begun = laned.clock.now()
    _, following = first_slice(laned)
    first_s = (laned.clock.now() - begun).total_seconds()
    begun = laned.clock.now()
    laned.queue.messages.clear()
    laned.deliver(following)

    assert 60 <= first_s < 90
    assert 480 <= (laned.clock.now() - begun).total_seconds() < 510


def test_a_first_slice_without_a_page_is_not_stalled(laned: World) -> None:
    """A page may take longer than a first slice: it is the continuation's, whose time is enough."""
    laned.connect("a", streams=["products"])
    fill(laned, "products", 9)
    object.__setattr__(laned.bazaar.connector.streams["products"], "durable_token", False)
    laned.bazaar.at_call = lambda *_: laned.clock.advance(75)
    run_id, following = first_slice(laned)
    laned.deliver(msgspec.structs.replace(following, slice=0))  # redelivered: the window is open by now
    state = laned.state("a")
    assert state.open is not None
    assert state.open.stalled == 0
    laned.deliver(following)
    laned.drain()

    assert laned.task(run_id, "a").status is TaskStatus.SUCCEEDED
    assert laned.run(run_id).status is RunStatus.SUCCEEDED


def test_whole_slices_without_progress_are_still_failed(laned: World) -> None:
    """Only the first slice is excused."""
    fill(laned, "products", 30)
    laned.connect("a", streams=["products"])
    object.__setattr__(laned.bazaar.connector.streams["products"], "durable_token", False)
    laned.bazaar.at_call = lambda *_: laned.clock.advance(200)
    run_id, _ = laned.run_once()

    assert laned.task(run_id, "a").reason == "no_progress"


def test_messages_go_to_their_lanes_and_dead_letters_come_from_both(tmp_path: Path) -> None:
    """Continuations have their own queue; a person sees and removes the dead letters of both."""
    settings = Settings.from_environment(ENVIRONMENT | TWO_LANES | {"SYNC_STORE": f"sqlite:{tmp_path}/s.db"})
    queue, letters = wiring.build(settings, delivers=False).queue, wiring.dead_letters(settings)
    assert isinstance(queue, Lanes)
    assert isinstance(letters, DeadLanes)
    queue.publish([TASK, CONTINUATION, TASK])
    queue.bury(b"?", reason="nonsense", attributes={})
    lanes = [
        LocalQueue(path(settings), "http://127.0.0.1:9", delivers=False)
        for path in (wiring.queue_path, wiring.backfill_queue_path)
    ]
    lanes[1].bury(encode(CONTINUATION), reason="", attributes={})
    assert [lane.counts() for lane in lanes] == [(2, 0, 0, 1), (1, 0, 0, 1)]

    taken = letters.take(10)
    letters.give_back(taken)
    assert letters.count() == len({message.id for message in taken}) == 2
    assert len(letters.take(1)) == 1
    letters.remove(taken[1:])
    assert [lane.counts().dead for lane in lanes] == [1, 0]
    queue.close()
    letters.close()


class _Letters:
    """Dead letters of one lane, in a list."""

    def __init__(self, *found: DeadMessage, error: Exception | None = None) -> None:
        self.found, self.error = list(found), error
        self.given_back: list[str] = []

    def count(self) -> int | None:
        return None

    def take(self, limit: int) -> list[DeadMessage]:
        if self.error is not None:
            raise self.error
        return self.found[:limit]

    def give_back(self, messages: object) -> None:
        assert isinstance(messages, list)
        self.given_back += [message.id for message in messages]

    def remove(self, messages: object) -> None:
        raise AssertionError(messages)

    def close(self) -> None:
        raise AssertionError


def test_dead_letters_are_given_back_if_the_other_lane_cannot_be_read() -> None:
    """Else nobody would see them for ten minutes."""
    dead = DeadMessage("1", b"", {}, START, START, 1, "handle")
    first = _Letters(dead)
    lanes = DeadLanes(first, _Letters(error=QueueUnavailable("away")))

    with pytest.raises(QueueUnavailable):
        lanes.take(5)
    assert first.given_back == ["1"]
    assert lanes.count() is None


@pytest.mark.parametrize(
    ("lane", "fault"),
    [
        ("pubsub:work", "the first lane's own"),
        ("pubsub:projects/project-1/topics/work-dead", "the first lane's own"),
        ("local:http://127.0.0.1:8", "another kind"),
        ("topic", "is 'topic'"),
    ],
)
def test_a_lane_that_is_none_is_refused(lane: str, fault: str) -> None:
    """The first lane's topic or dead letters, or another kind of queue."""
    with pytest.raises(SettingsInvalid, match=fault):
        Settings.from_environment(CLOUD | {"SYNC_QUEUE_BACKFILL": lane})


def test_changes_are_told_on_neither_lane() -> None:
    """The worker would take them for tasks."""
    lanes = {"SYNC_QUEUE_BACKFILL": "pubsub:more", "SYNC_CHANGES": "pubsub:more-dead"}
    with pytest.raises(SettingsInvalid, match="SYNC_QUEUE_BACKFILL"):
        Settings.from_environment(CLOUD | lanes)


def test_one_lane_has_whole_first_slices() -> None:
    """Unset, nothing changes."""
    one = Settings.from_environment(CLOUD)
    two = Settings.from_environment(CLOUD | {"SYNC_QUEUE_BACKFILL": "pubsub:more"})

    assert one.slice_seconds_of(is_continuation=False) == 480
    assert two.slice_seconds_of(is_continuation=False) == 60
    assert two.slice_seconds_of(is_continuation=True) == 480
