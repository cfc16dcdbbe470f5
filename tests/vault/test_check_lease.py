"""A check replaces a refresh token only while no task may do so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import CredentialsRejected, NotPossible
from orchestrator.marketplaces.session_request import SessionRequest
from orchestrator.model import ids
from orchestrator.model.change_event import Changes as Told
from orchestrator.model.documents import to_document
from orchestrator.model.state import Lease, SyncState
from orchestrator.operators.sellers import adding, changing, checking
from orchestrator.operators.sellers.adding import Secret
from orchestrator.operators.sellers.changing import Changes
from orchestrator.ports import Put
from orchestrator.vault.renewal import BUSY_S, HELD
from tests.core.test_clocks import TellingStore
from tests.support.clocks import VirtualClock
from tests.support.people import ME
from tests.support.world import START, World, fill
from tests.vault.conftest import Site

STATE = ids.state_path("a")


class Renewing:
    """A world whose marketplace has each session replace its refresh token."""

    def __init__(self, path: Path) -> None:
        self.world = World(path)
        #: Called while a token is replaced.
        self.meanwhile: Callable[[], None] = lambda: None
        #: The owner of the lease at each replacement.
        self.owners: list[str | None] = []
        connector = self.world.bazaar.connector
        replaced = dataclasses.replace(connector, open=self._opened(connector.open), check=lambda _: "shop 1")
        self.world.services.connectors["shopify"] = replaced  # type: ignore[index]  # a dict in tests
        self.world.connect("a")

    def _opened(self, open_: Callable[[SessionRequest], Any]) -> Callable[[SessionRequest], Any]:
        def opened(opening: SessionRequest) -> Any:
            opening.claim()
            state = self.world.store.get(STATE)
            self.owners.append(state.data["lease"].get("owner") if state is not None else None)
            self.meanwhile()
            return open_(opening)

        return opened

    def check(self) -> str:
        """A person checks the connection."""
        return checking.check(self.world.services, "a", by=ME)


@pytest.fixture
def renewing(tmp_path: Path) -> Renewing:
    """A connection that no run has met."""
    return Renewing(tmp_path)


def set_reference(renewing: Renewing) -> str:
    """A person has a connection use a stored secret, perhaps the one that it uses already."""
    changes = Changes({"credential": "env:NONE"})
    return changing.change(renewing.world.services, "a", by=ME, changes=changes, secret=Secret(None)).account


ASKING: list[Callable[[Renewing], str]] = [Renewing.check, set_reference]


@pytest.mark.parametrize("ask", ASKING, ids=["check", "set"])
@pytest.mark.parametrize("is_known", [False, True], ids=["new", "known"])
def test_a_token_is_replaced_under_the_lease(
    renewing: Renewing, ask: Callable[[Renewing], str], *, is_known: bool
) -> None:
    """And the lease is given back: the next run works as if there had been no check."""
    world = renewing.world
    if is_known:
        world.run_once()
        world.clock.advance(900)
    renewing.owners.clear()

    assert ask(renewing) == "shop 1"

    assert renewing.owners[0] is not None
    lease = world.state("a").lease
    assert (lease.owner, lease.expires_at) == (None, None)
    assert world.state("a").leaves_no_record(world.clock.now())
    assert world.run_once()[1].tasks.succeeded == 1


def test_the_worker_takes_the_lease_too(site: Site) -> None:
    """It checks for people if the credential lies in the vault."""
    site.add("a")
    connector, owners = site.worker.connectors["shopify"], list[str | None]()

    def opened(opening: SessionRequest, open_: Callable[[SessionRequest], Any] = connector.open) -> Any:
        opening.claim()
        owners.append(site.world.state("a").lease.owner)
        return open_(opening)

    object.__setattr__(connector, "open", opened)

    assert checking.check(site.people, "a", by=ME) == "shop one"

    assert [owner is not None for owner in owners] == [True]
    assert site.world.state("a").lease.owner is None


def test_the_store_tells_how_long_the_lease_lasts(renewing: Renewing) -> None:
    """The clock of a person's machine may be behind it."""
    until: list[datetime | None] = []
    renewing.meanwhile = lambda: until.append(world_lease(renewing).expires_at)
    behind = VirtualClock(START - timedelta(hours=1))
    services = dataclasses.replace(
        renewing.world.services, clock=behind, store=TellingStore(renewing.world.store)
    )

    checking.check(services, "a", by=ME)

    assert until == [START + HELD]


def test_a_check_that_fails_gives_the_lease_back_too(renewing: Renewing) -> None:
    """The next task is not kept waiting."""

    def refuse() -> None:
        raise CredentialsRejected("shopify token: answered 400")

    renewing.meanwhile = refuse
    with pytest.raises(CredentialsRejected):
        renewing.check()

    assert world_lease(renewing).owner is None


def world_lease(renewing: Renewing) -> Lease:
    """The lease as it is stored."""
    return renewing.world.state("a").lease


def test_changes_that_are_owed_are_still_found_after_a_check(renewing: Renewing) -> None:
    """A heal finds them by the end of the lease."""
    over_at = START + timedelta(minutes=10)
    owed = Told(run_id="r", organization_id="org-1", streams={})
    state = SyncState(seq=4, untold=owed, lease=Lease(fence=3, expires_at=over_at))
    renewing.world.store.commit([Put(STATE, to_document(state))])

    renewing.check()

    lease = world_lease(renewing)
    assert (lease.owner, lease.expires_at, lease.fence) == (None, over_at, 4)


def test_a_check_waits_for_a_task_and_gives_up(renewing: Renewing) -> None:
    """A task may replace the token at any time; the person is told which run it is."""
    world = renewing.world
    fill(world, "orders", 2)
    met: list[str] = []

    def check(*_: Any) -> None:
        world.bazaar.at_call = None
        begun = world.clock.monotonic()
        before = world.get(STATE).version
        with pytest.raises(NotPossible, match="has to be renewed, and run t-") as raised:
            renewing.check()
        met.append(raised.value.message)
        assert world.get(STATE).version == before
        assert BUSY_S <= world.clock.monotonic() - begun <= BUSY_S + 2

    world.bazaar.at_call = check
    world.run_once()
    assert len(met) == 1


def test_a_check_goes_on_when_the_other_is_over(renewing: Renewing) -> None:
    """With a new session, because the other one may have replaced the token."""
    world = renewing.world
    busy = SyncState(seq=9, lease=Lease(owner="check", expires_at=world.clock.now() + HELD))
    world.store.commit([Put(STATE, to_document(busy))])

    def end() -> None:
        world.clock.meanwhile = None
        world.store.commit([Put(STATE, to_document(SyncState(seq=10)))])

    world.clock.meanwhile = end
    renewing.owners.clear()

    assert renewing.check() == "shop 1"
    assert len(renewing.owners) == 1


def test_a_task_waits_for_a_check(renewing: Renewing) -> None:
    """A look that needs a token meets the lease too, and nobody replaces a token twice at once."""
    world = renewing.world
    world.run_once()
    world.clock.advance(900)
    world.tick()
    world.deliver(world.queue.messages.pop(0))
    message = world.queue.messages.pop(0)
    renewing.owners.clear()
    naps = iter(range(20))

    def meanwhile() -> None:
        renewing.meanwhile = lambda: None

        def nap() -> None:
            if next(naps, None) is None:
                raise TimeoutError

        world.clock.meanwhile = nap
        with pytest.raises(TimeoutError):
            world.deliver(message)
        world.clock.meanwhile = None
        assert len(renewing.owners) == 1, "the task replaces no token meanwhile"

    renewing.meanwhile = meanwhile
    renewing.check()
    world.deliver(message)

    assert world.run(message.run_id).tasks.succeeded == 1


def test_a_new_connections_stored_secret_needs_no_lease(renewing: Renewing) -> None:
    """There is no task of it, and no state is left behind if it is not added after all."""
    fields: dict[str, Any] = {"organization_id": "org-1", "marketplace": "shopify", "settings": {}}
    fields |= {"credential": "env:NONE", "name": "b"}
    secret = Secret(None, agrees=lambda _: False)
    with pytest.raises(Exception, match="nothing is stored"):
        adding.add(renewing.world.services, "b", by=ME, secret=secret, **fields)

    assert renewing.world.store.get(ids.state_path("b")) is None
