"""Dead letters: those of each lane, and the person who replays them all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.adapters import lanes
from orchestrator.model.messages import Message, encode
from orchestrator.operators import dead_letters
from orchestrator.operators.dead_letters import Wanted
from orchestrator.ports import DeadMessage
from orchestrator.services import Services
from tests.support.people import ME

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: Pub/Sub withholds a message that was taken for so long.
WITHHELD_S = 600.0


class SimLetters:
    """The DeadLetters port on one lane's."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._left: list[DeadMessage] = []
        self._taken: dict[str, DeadMessage] = {}
        self._made = 0

    def close(self) -> None:
        """Nothing is open."""

    def add(self, message: Message, deliveries: int) -> None:
        """A message that was given up."""
        self._made += 1
        now = self._history.loop.now
        self._left.append(DeadMessage(str(self._made), encode(message), {}, now, now, deliveries, None))

    def count(self) -> int | None:
        """See DeadLetters."""
        return len(self._left)

    def take(self, limit: int) -> list[DeadMessage]:
        """See DeadLetters; whoever takes them may die."""
        taken, self._left = self._left[:limit], self._left[limit:]
        self._taken |= {message.id: message for message in taken}
        self._history.loop.at(WITHHELD_S, partial(self.give_back, taken))
        return taken

    def give_back(self, messages: Sequence[DeadMessage]) -> None:
        """See DeadLetters."""
        back = [self._taken.pop(message.id) for message in messages if message.id in self._taken]
        self._left += back

    def remove(self, messages: Sequence[DeadMessage]) -> None:
        """See DeadLetters."""
        for message in messages:
            self._taken.pop(message.id, None)


def replay(history: History, first: SimLetters, backfill: SimLetters) -> None:
    """A person replays the dead letters of both lanes."""

    def do(services: Services) -> None:
        found = dead_letters.replay(services, lanes.DeadLanes(first, backfill), Wanted(), by=ME)
        for letter in found.letters:
            history.seen[f"dead letter: {letter.effect}"] += 1

    history.people.command("replay", do, tries=3)
