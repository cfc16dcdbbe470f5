"""Operators: what they ask over HTTP, do at the command line, and edit in documents."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.errors import NotFound, NotPossible, SyncError
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.operators import connections, pause
from orchestrator.ports import Create, Delete, Document, Query, Update, Write
from orchestrator.services import Services
from tests.support.people import ME
from tests.system.simulation.accounts import Account
from tests.system.simulation.hands import any_field, edit
from tests.system.simulation.loop import START, chance

if TYPE_CHECKING:
    from tests.system.simulation.history import History

ORGANIZATIONS = ("org-a", "org-b")
MARKETPLACES = ("shopify", "takealot")
#: Ticks are so far apart while things go wrong.
TICK_S = 900
#: A command that stalls goes on after so many seconds at most: before everything is put right.
MOST_STALLED_S = 1000.0
#: How often each is done.
WEIGHTS = {
    "cancel": 3,
    "retry": 3,
    "trigger": 4,
    "look": 1,
    "intrude": 1,
    "force": 1,
    "pause": 2,
    "resume": 3,
    "remove": 1,
    "second_life": 2,
    "edit": 4,
    "edit_anything": 4,
    "move": 3,
    "spoil_state": 3,
    "revoke": 1,
    "authorize": 1,
}


class People:
    """All who may change something, and what they have made of the connections."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.organizations: dict[str, str] = {}
        self.marketplaces: dict[str, str] = {}
        self.all_marketplaces, self.all_organizations = MARKETPLACES, ORGANIZATIONS
        #: Connections that were edited to another marketplace, and those edited to another organization.
        self.moved: set[str] = set()
        self.changed_hands: set[str] = set()
        #: Since when connections have been active without a break, in true seconds.
        self.active_since_s: dict[str, float] = {}
        #: Records whose connection's memory was deleted: that they vanish is noticed by nobody.
        self.forgotten: set[str] = set()
        self._beginnings: dict[str, datetime] = {}
        #: Chooses how connections are removed and added again.
        self._lives = random.Random(history.seed)
        history.store.watchers.append(self._note)

    def beginning(self, connection_id: str) -> datetime:
        """Everything since then has to be in the store, whatever people changed about it."""
        return self._beginnings.get(connection_id, START - timedelta(days=30))

    def act(self) -> None:
        """Somebody does something."""
        rng = self._history.loop.rng
        name = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self._history.seen[f"person: {name}"] += 1
        getattr(self, f"_{name}")(rng.choice(self._history.connections))

    def settle(self) -> None:
        """Everything is put right: what was removed is there again, active, and let in."""
        for connection_id in self._history.connections:
            good: dict[str, Any] = {"credential": _reference(connection_id)}
            if connection_id != self._history.apple.connection_id:
                self._authorize(connection_id)
                good |= self._usable(connection_id)
            self._add(connection_id, then=partial(self._put_right, connection_id, good))

    def _usable(self, connection_id: str) -> dict[str, Any]:
        """The fields that somebody has edited to nonsense, with sense."""
        found = self._history.store.documents.get(ids.connection_path(connection_id))
        if found is None:
            return {}
        fields: dict[str, Any] = {"settings": {}} if "nonsense" in found[1]["settings"] else {}
        return fields if found[1]["streams"] else {**fields, "streams": list(STREAMS)}

    def _put_right(self, connection_id: str, fields: Mapping[str, Any]) -> None:
        self._edit_so(connection_id, fields)
        self._resume(connection_id)

    # Over HTTP

    def _run(self) -> str:
        runs = self._history.store.query(Query("runs", limit=100))
        return self._history.loop.rng.choice(runs).id if runs else "none"

    def _cancel(self, _: str) -> None:
        self._history.edges.ask("POST", f"/api/sync/runs/{self._run()}/cancel", tries=3)

    def _retry(self, _: str) -> None:
        self._history.edges.ask("POST", f"/api/sync/runs/{self._run()}/retry", tries=3)

    def _look(self, _: str) -> None:
        paths = ["/api/sync/status", "/api/sync/runs", f"/api/sync/runs/{self._run()}"]
        self._history.edges.ask("GET", self._history.loop.rng.choice(paths))

    def _intrude(self, _: str) -> None:
        self._history.edges.intrude(
            self._history.loop.rng.choice(["/api/sync/scheduler", "/api/sync/trigger"])
        )

    def _force(self, _: str) -> None:
        """A forced run carries the next tick's time, or none."""
        now = self._history.loop.now.replace(microsecond=0)
        ahead = (now + timedelta(minutes=12)).isoformat()
        self._history.edges.tick(self._history.loop.rng.choice(["", ahead]), forced=True)

    def _trigger(self, connection_id: str) -> None:
        rng = self._history.loop.rng
        body: dict[str, Any] = {}
        if chance(rng, 0.5):
            body["connection_ids"] = [connection_id]
        elif chance(rng, 0.7):
            body["organization_id"] = rng.choice(ORGANIZATIONS)
        if chance(rng, 0.3):
            body["streams"] = rng.sample(STREAMS, rng.randint(1, 2))
        if chance(rng, 0.5):
            body["full"] = True
        key = f"key-{rng.randint(1, 6)}" if chance(rng, 0.5) else None
        self._history.edges.ask("POST", "/api/sync/trigger", body=body, key=key, tries=3)

    # At the command line

    def command(
        self,
        name: str,
        do: Callable[[Services], object],
        *,
        then: Callable[[], None] | None = None,
        tries: int = 12,
        stalls: bool = False,
    ) -> None:
        """A command, repeated where it failed and may be repeated."""
        history = self._history
        process = history.process(f"person {name}")
        if stalls:
            process.stalls_after = self._lives.randint(1, 12)
            process.stalls_s = self._lives.uniform(60, MOST_STALLED_S)

        def again(after_s: float = 30) -> None:
            if tries > 1:
                history.loop.at(after_s, lambda: self.command(name, do, then=then, tries=tries - 1))

        def run() -> None:
            history.say(f"does {name}")
            try:
                do(history.services(process))
            except NotFound:
                pass
            except msgspec.ValidationError as error:
                # A command that meets a state that cannot be read says so, and is repeated.
                if not history.hands.is_at_work:
                    raise
                history.say(f"cannot read: {error}")
                again()
                return
            except SyncError as error:
                history.say(f"is told: {error}")
                is_over = history.loop.now_s > history.quiet_s and name.startswith("remove")
                if not is_over and "exists already" not in str(error):
                    again(300 if isinstance(error, NotPossible) else 30)
                    return
            process.when_dead.clear()
            if then is not None:
                then()

        process.when_dead.append(again)
        history.loop.spawn(run, process)

    def _pause(self, connection_id: str) -> None:
        self.command(f"pause {connection_id}", lambda services: pause.pause(services, connection_id, by=ME))

    def _resume(self, connection_id: str) -> None:
        self.command(f"resume {connection_id}", lambda services: pause.resume(services, connection_id, by=ME))

    def _remove(self, connection_id: str) -> None:
        purge = chance(self._history.loop.rng, 0.3)
        self.command(
            f"remove {connection_id}",
            lambda services: pause.remove(services, connection_id, by=ME, purge_records=purge),
            tries=self._history.loop.rng.choice([1, 12]),
            stalls=chance(self._lives, 0.3),
        )

    def _second_life(self, connection_id: str) -> None:
        """A connection is removed, and added again at any moment of its removal or after it."""
        rng, loop = self._lives, self._history.loop
        purge = chance(rng, 0.7)
        self.command(
            f"remove {connection_id}",
            lambda services: pause.remove(services, connection_id, by=ME, purge_records=purge),
            tries=rng.choice([1, 2]),
            stalls=chance(rng, 0.6),
        )
        for _ in range(rng.randint(0, 2)):
            loop.at(rng.uniform(0, 300), partial(self._add_elsewhere, connection_id))
        loop.at(rng.choice([rng.uniform(0, 2), rng.uniform(0, 900)]), partial(self._add, connection_id))

    def _add(self, connection_id: str, *, then: Callable[[], None] | None = None) -> None:
        """Add it; where a removal of it is not finished, finish that first, as the answer says."""
        streams = self._history.rng.sample(STREAMS, self._history.rng.randint(1, 3))

        def do(services: Services) -> None:
            try:
                self._add_as(self._own_marketplace(connection_id), connection_id, streams, services)
            except NotPossible as error:
                if "is being removed" in error.message:
                    self._history.seen["added too early"] += 1
                    with suppress(NotFound):
                        pause.remove(services, connection_id, by=ME, purge_records=chance(self._lives, 0.5))
                raise

        self.command(f"add {connection_id}", do, then=then)

    def _add_elsewhere(self, connection_id: str) -> None:
        """Add it for another marketplace: that is refused, at any moment."""

        def do(services: Services) -> None:
            (other,) = {*MARKETPLACES} - {self._own_marketplace(connection_id)}
            try:
                self._add_as(other, connection_id, STREAMS, services)
            except NotPossible:
                self._history.seen["another marketplace refused"] += 1
            else:
                self._history.violated(f"{connection_id} was added for {other}")

        self.command(f"add {connection_id} elsewhere", do, tries=1)

    def _own_marketplace(self, connection_id: str) -> str:
        """The one of its state, which `add` names; a document may have been edited to another one."""
        found = self._history.store.documents.get(ids.state_path(connection_id))
        known: str = found[1].get("marketplace", "") if found is not None else ""
        return known or self.marketplaces[connection_id]

    def _add_as(
        self, marketplace: str, connection_id: str, streams: Sequence[str], services: Services
    ) -> None:
        connections.add(
            services,
            connection_id,
            by=ME,
            organization_id=self.organizations[connection_id],
            marketplace=marketplace,
            name=connection_id,
            credential=_reference(connection_id),
            settings={},
            streams=streams,
        )

    # In documents, and at the marketplace

    def _edit(self, connection_id: str) -> None:
        rng, now = self._history.loop.rng, self._history.loop.now
        fields: dict[str, Any] = rng.choice(
            [
                {"settings": {"region": rng.choice(["all", "odd"])}},
                {"store_buyer_pii": True},
                {"store_buyer_pii": False},
                {"streams": rng.sample(STREAMS, rng.randint(1, 3))},
                {"backfill_since": rng.choice([None, now - timedelta(hours=rng.randint(3, 60))])},
                {"reconcile_hours": rng.choice([1, 6, 24])},
            ]
        )
        self._history.seen["edited"] += 1
        self._edit_so(connection_id, fields)

    def _edit_anything(self, connection_id: str) -> None:
        self._history.seen["edited anything"] += 1
        self._edit_so(connection_id, any_field(self._history, connection_id))

    def _move(self, connection_id: str) -> None:
        """To the other marketplace, some moments after the next tick: it may be planned for both."""
        history = self._history
        (other,) = {*MARKETPLACES} - {self.marketplaces[connection_id]}
        history.loop.at(
            TICK_S - history.loop.now_s % TICK_S + history.loop.rng.uniform(0, 4),
            lambda: self._edit_so(connection_id, {"marketplace": other}),
        )

    def _spoil_state(self, connection_id: str) -> None:
        self._history.hands.spoil(connection_id)

    def _edit_so(self, connection_id: str, fields: Mapping[str, Any]) -> None:
        self.command(f"edit {connection_id}: {fields}", partial(edit, connection_id, fields))

    def _revoke(self, connection_id: str) -> None:
        self._history.market.accounts[connection_id].revoked = True

    def _authorize(self, connection_id: str) -> None:
        """A person authorizes anew: a new version of the secret, and the connection is marked as edited."""
        history = self._history
        account = history.market.accounts[connection_id]
        history.vault.put(_reference(connection_id), account.grant(history.loop.now), history.loop.now)
        self.command(f"authorize {connection_id}", partial(edit, connection_id, {}))

    def spoil(self, connection_id: str, kind: str) -> None:
        """Somebody spoils a connection's secret, or its document."""
        if kind == "secretless":
            self._history.vault.versions[_reference(connection_id)] = []
        elif kind == "malformed":
            self._edit_so(connection_id, {"settings": {"nonsense": 1}})

    def mend(self, connection_id: str) -> None:
        """Everything about a connection is put right."""
        good = {"settings": {}, "status": "active", "credential": _reference(connection_id)}
        self._authorize(connection_id)
        self._add(
            connection_id,
            then=lambda: self._edit_so(connection_id, {**self._usable(connection_id), **good}),
        )

    def ask_for(self, connection_id: str) -> None:
        """A person wants to see it work: a run of this connection alone, whatever rests."""
        self._history.edges.ask(
            "POST", "/api/sync/trigger", body={"connection_ids": [connection_id]}, tries=3
        )

    def open_account(self, connection_id: str, account: Account) -> None:
        """Before anything begins: an account, and its secret."""
        history = self._history
        history.market.accounts[connection_id] = account
        history.vault.put(_reference(connection_id), account.grant(history.loop.now), history.loop.now)

    # What has become of it

    def _note(self, writes: Sequence[Write], before: Mapping[str, Document | None]) -> None:
        store = self._history.store
        for write in writes:
            match write.path.split("/"):
                case ["connections", name]:
                    found = store.documents.get(write.path)
                    if found is not None:
                        self._moved(name, found[1])
                    if found is None or found[1]["status"] != "active":
                        self.active_since_s.pop(name, None)
                        continue
                    if isinstance(write, Create):
                        self._forget(name)
                    self.active_since_s.setdefault(name, self._history.loop.now_s)
                    if (beginning := found[1]["backfill_since"]) is not None:
                        self._beginnings[name] = max(self.beginning(name), beginning)
                case ["sync_state", name, "digests", _] if isinstance(write, Delete):
                    self._forget(name)
                case ["sync_state", name] if isinstance(write, Update) and write.fields.get("expires_at"):
                    self._history.seen["memory deleted"] += 1
                    self._forget(name)

    def _moved(self, connection_id: str, document: Document) -> None:
        """To another marketplace it counts as new; what the former one listed is noticed by nobody."""
        if self.marketplaces[connection_id] != document["marketplace"]:
            self._history.seen["moved"] += 1
            self.moved.add(connection_id)
            self.active_since_s.pop(connection_id, None)
            self._forget(connection_id)
        if self.organizations[connection_id] != document["organization_id"]:
            self.changed_hands.add(connection_id)
        self.marketplaces[connection_id] = document["marketplace"]
        self.organizations[connection_id] = document["organization_id"]

    def _forget(self, connection_id: str) -> None:
        prefix = f"connections/{connection_id}/"
        self.forgotten |= {path for path in self._history.store.documents if path.startswith(prefix)}


def _reference(connection_id: str) -> str:
    return f"projects/p/secrets/{connection_id}/versions/latest"
