"""Documents edited by hand: states that cannot be read for a while, and every field of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.errors import Conflict
from orchestrator.model import ids
from orchestrator.ports import Document, Update
from orchestrator.services import Services
from tests.system.simulation.loop import chance

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: Wrong types, a missing part, a word of a later release.
UNREADABLE: tuple[Document, ...] = (
    {"consecutive_failures": "many"},
    {"health": "recovering"},
    {"open": {"run_id": "t-1"}},
    {"requested_full": 7},
    {"last_run": ["t-1"]},
)
#: For so long a state stays unreadable, in seconds: within a slice, or for several ticks.
SHORT_S, LONG_S = 60.0, 4000.0
#: A credential that names no secret.
NO_SECRET = "projects/p/secrets/nothing/versions/latest"


class Hands:
    """Whoever edits documents in the console, past all rules."""

    def __init__(self, history: History) -> None:
        self._history = history
        #: The fields as they were, of the states that cannot be read now.
        self._before: dict[str, Document] = {}
        #: When a state was spoilt or repaired last, in true seconds.
        self._touched_s: dict[str, float] = {}

    @property
    def is_at_work(self) -> bool:
        """Whether some state cannot be read now."""
        return bool(self._before)

    def was_at(self, connection_id: str | None, since_s: float) -> bool:
        """Whether a connection's state was unreadable, or touched, at or after a time."""
        path = ids.state_path(connection_id or "")
        return path in self._before or self._touched_s.get(path, -1.0) >= since_s

    def spoil(self, connection_id: str) -> None:
        """A state becomes unreadable, and is repaired later."""
        history, path = self._history, ids.state_path(connection_id)
        found = history.store.documents.get(path)
        if found is None or path in self._before:
            return
        fields = history.loop.rng.choice(UNREADABLE)
        self._before[path] = {name: found[1].get(name) for name in fields}
        history.seen["state unreadable"] += 1
        self._edit(path, fields)
        longest = SHORT_S if chance(history.loop.rng, 0.3) else LONG_S
        history.loop.at(history.loop.rng.uniform(1, longest), partial(self._repair, path))

    def repair_all(self) -> None:
        """Everything can be read again."""
        for path in list(self._before):
            self._repair(path)

    def _repair(self, path: str) -> None:
        before = self._before.pop(path, None)
        if before is not None and path in self._history.store.documents:
            self._edit(path, before)

    def _edit(self, path: str, fields: Document) -> None:
        self._history.say(f"edited by hand: {path} {fields}")
        self._touched_s[path] = self._history.loop.now_s
        self._history.store.overwrite(path, fields)


def any_field(history: History, connection_id: str) -> dict[str, Any]:
    """A new value for some field of a connection that the other edits leave alone."""
    rng = history.loop.rng
    people = history.people
    marketplaces, organizations = sorted(set(people.all_marketplaces)), sorted(set(people.all_organizations))
    fields: dict[str, Any] = rng.choice(
        [
            {"marketplace": rng.choice(marketplaces)},
            {"marketplace": rng.choice(marketplaces)},
            {"organization_id": rng.choice(organizations)},
            {"name": f"{connection_id} renamed"},
            {"credential": NO_SECRET},
            {"status": rng.choice(["active", "paused", "disconnected"])},
            {"settings": {"nonsense": 1}},
            {"streams": []},
            {"created_at": history.loop.now},
        ]
    )
    return fields


def edit(connection_id: str, fields: Mapping[str, Any], services: Services) -> None:
    """Change a connection's document, as people do."""
    path = ids.connection_path(connection_id)
    while (snapshot := services.store.get(path)) is not None:
        changed = {**fields, "updated_at": services.clock.now()}
        try:
            services.store.commit([Update(path, changed, version=snapshot.version)])
        except Conflict:
            continue
        return
