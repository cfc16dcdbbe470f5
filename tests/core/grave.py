"""A world with an embedded queue's dead letters."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from orchestrator.adapters.embedded.queue import LocalDeadLetters, LocalQueue
from orchestrator.model.messages import Message, encode
from orchestrator.operators.dead_letters import Effect, Report, Wanted, look, replay
from orchestrator.ports import Query
from tests.support.people import ME
from tests.support.world import World


@dataclass(frozen=True, slots=True)
class Grave:
    """A world with an embedded queue's dead letters."""

    world: World
    queue: LocalQueue
    letters: LocalDeadLetters

    def bury(self, *messages: Message) -> None:
        """Have messages lie dead."""
        for message in messages:
            self.queue.bury(encode(message), reason="", attributes={"kind": message.kind})

    def take(self, kind: str, *connection_ids: str) -> list[Message]:
        """Take messages of a kind out of the queue, as if they had never been delivered."""
        waiting = self.world.queue.messages
        taken = [
            message
            for message in waiting
            if message.kind == kind and (not connection_ids or message.connection_id in connection_ids)
        ]
        self.world.queue.messages = [message for message in waiting if message not in taken]
        return taken

    def dispatch(self) -> str:
        """A tick whose dispatches are done."""
        run_id = self.world.tick().run_id
        for message in self.take("dispatch"):
            self.world.deliver(message)
        return run_id

    def lose(self, *connection_ids: str) -> tuple[str, list[Message]]:
        """A run in which these connections' messages die, closed after its deadline."""
        run_id = self.dispatch()
        dead = self.take("task", *connection_ids)
        self.world.drain()
        self.world.clock.advance(3700)
        self.world.deliver(Message(kind="heal"))
        self.world.drain()
        assert self.world.run(run_id).status.is_final
        return run_id, dead

    def look(self, **wanted: object) -> Report:
        """What there is."""
        return look(self.world.services, self.letters, msgspec.convert(wanted, Wanted))

    def replay(self, *, per_second: float = 1000.0, **wanted: object) -> Report:
        """Do it."""
        asked = msgspec.convert(wanted, Wanted)
        return replay(self.world.services, self.letters, asked, by=ME, per_second=per_second)

    def effects(self) -> list[tuple[Effect, str]]:
        """What a replay would do, and why."""
        return [(letter.effect, letter.why) for letter in self.look().letters]

    def run_ids(self) -> list[str]:
        """All runs."""
        return [run.id for run in self.world.store.query(Query("runs", limit=100))]
