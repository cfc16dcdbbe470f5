"""Changing and checking connections, and the refusals that a good check forgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.app import main
from orchestrator.errors import (
    ConnectionInvalid,
    CredentialsRejected,
    NotFound,
    NotPossible,
    RequestError,
    StoreUnavailable,
)
from orchestrator.marketplaces.spec import AnySession
from orchestrator.model.cause import Cause
from orchestrator.model.counts import ErrorInfo
from orchestrator.model.documents import from_document, to_document
from orchestrator.model.state import Health, SyncState
from orchestrator.operators import connections
from orchestrator.operators.sellers import adding, changing, checking
from orchestrator.operators.sellers.adding import Secret
from orchestrator.operators.sellers.changing import Changes
from orchestrator.ports import Put, Query, Update, Write
from orchestrator.services import Services
from tests.cli import shop
from tests.cli.conftest import CONNECTOR, START
from tests.support.clocks import VirtualClock
from tests.support.people import ME
from tests.support.secrets import MemorySecrets

GOOD: dict[str, Any] = {
    "organization_id": "org-1",
    "marketplace": "takealot",
    "name": "Shop one",
    "credential": "env:SHOP",
    "settings": {"shop": "one"},
}
NOTHING = Secret()
CANARY = Secret('{"api_key": "canary"}')


@pytest.fixture
def added(services: Services, clock: VirtualClock) -> Services:
    """A store with one connection."""
    connections.add(services, "shop-1", by=ME, **GOOD)
    clock.sleep(60)
    return services


def document(services: Services) -> dict[str, Any]:
    """The connection's document."""
    return connections.show(services, "shop-1").document


def audit(services: Services) -> list[tuple[str, str]]:
    """Actions and their details, in order."""
    entries = services.store.query(Query("audit", limit=99, order_by="at"))
    return [(entry.data["action"], entry.data.get("details", "")) for entry in entries]


def change(services: Services, secret: Secret = NOTHING, **given: Any) -> changing.Changed:
    """Change the connection."""
    return changing.change(services, "shop-1", by=ME, changes=Changes(**given), secret=secret)


def refuse(services: Services, at: datetime, **more: Any) -> None:
    """Store a state whose credential was refused."""
    error = ErrorInfo(kind="credentials_rejected", message="401", action="store a valid one")
    state = SyncState(
        seq=4,
        refused_at=at,
        refusals=3,
        health=Health.NEEDS_ATTENTION,
        consecutive_failures=3,
        last_error=error,
    )
    services.store.commit([Put("sync_state/shop-1", {**to_document(state), **more})])


def cause(kind: str, stream: str | None = None) -> dict[str, Any]:
    """A cause as the state holds it."""
    return to_document(
        Cause(kind=kind, message="401", action="store a valid one", since=START, stream=stream)
    )


def state_of(services: Services) -> SyncState:
    """The connection's state."""
    found = services.store.get("sync_state/shop-1")
    assert found is not None
    return from_document(SyncState, found.data)


def test_a_name_changes_without_a_call_or_a_secret(added: Services) -> None:
    """Whoever may not read the secret can do it; the document is marked as edited."""
    assert isinstance(added.secrets, MemorySecrets)
    reads = added.secrets.reads

    done = change(added, fields={"name": "New", "reconcile_hours": 48})

    assert (done.names, done.account, done.from_the_beginning) == (["name", "reconcile_hours"], "", [])
    assert document(added).items() >= {"name": "New", "reconcile_hours": 48}.items()
    assert document(added)["updated_at"] == START + timedelta(seconds=60)
    assert document(added)["created_at"] == START
    assert audit(added)[-1] == ("set", "name, reconcile_hours")
    assert added.secrets.reads == reads


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({}, RequestError, "nothing is to be changed"),
        ({"fields": {"marketplace": "ebay"}}, RequestError, "marketplace of a connection never changes"),
        ({"fields": {"organization_id": "org-2"}}, RequestError, "only together with a credential"),
        ({"fields": {"streams": ["inventory"]}}, RequestError, "takealot has no stream inventory"),
        ({"fields": {"streams": []}}, ConnectionInvalid, "streams"),
        ({"fields": {"reconcile_hours": 0}}, ConnectionInvalid, "reconcile_hours"),
        ({"settings": {"shpo": "x"}}, ConnectionInvalid, "unknown field `shpo`"),
        ({"unset": ["shop"]}, ConnectionInvalid, "missing required field `shop`"),
        ({"settings": {"shop": "x"}, "unset": ["shop"]}, RequestError, "either a value or --unset"),
    ],
)
def test_what_cannot_be_is_refused(
    added: Services, given: dict[str, Any], error: type[Exception], match: str
) -> None:
    """And nothing changes."""
    before = document(added)

    with pytest.raises(error, match=match):
        change(added, **given)

    assert document(added) == before
    assert len(audit(added)) == 1
    with pytest.raises(NotFound):
        changing.change(added, "shop-9", by=ME, changes=Changes({"name": "x"}), secret=NOTHING)


def test_changed_settings_are_tried_and_read_from_the_beginning(added: Services) -> None:
    """The account is the new settings' one; the streams that depend on them are named."""
    done = change(added, settings={"shop": "two"})

    assert done.account == "account of two"
    assert done.from_the_beginning == ["orders", "products"]
    assert audit(added)[-1] == ("set", "settings.shop")
    assert document(added)["settings"] == {"shop": "two"}


def test_another_organization_comes_with_its_credential(added: Services) -> None:
    """Its records are written once more, for the new owner."""
    done = change(added, CANARY, fields={"organization_id": "org-2"})

    assert done.from_the_beginning == ["orders", "products"]
    assert document(added)["organization_id"] == "org-2"


def test_a_new_secret_is_stored_and_the_refusal_forgotten(added: Services) -> None:
    """The next tick tries it; neither document nor audit has a part of it."""
    refuse(added, START, cause=cause("credentials_rejected"))

    done = change(added, CANARY)

    assert (done.names, done.account, done.from_the_beginning) == (["secret"], "account of one", [])
    reference = document(added)["credential"]
    assert reference.startswith("file:/")
    assert added.secrets.get(reference) == CANARY.content
    state = state_of(added)
    assert (state.refused_at, state.refusals, state.health) == (None, 0, Health.OK)
    assert (state.consecutive_failures, state.last_error, state.seq) == (0, None, 5)
    found = added.store.get("sync_state/shop-1")
    assert found is not None
    assert found.data["cause"] is None
    assert audit(added)[-1] == ("set", "secret")
    everything = [*added.store.query(Query("audit", limit=9)), document(added)]
    assert "canary" not in str(everything)


def refusing(services: Services) -> Services:
    """The same world with a marketplace that refuses every credential."""

    def check(session: AnySession) -> str:
        raise CredentialsRejected("takealot: answered 401", action="store a valid one")

    return replace(services, connectors={"takealot": replace(CONNECTOR, check=check)})


def test_a_refused_secret_is_not_stored(added: Services) -> None:
    """Neither it nor the other changes; the refusal stays."""
    refuse(added, START)
    before = document(added)

    with pytest.raises(CredentialsRejected):
        change(refusing(added), CANARY, fields={"name": "New"})
    with pytest.raises(CredentialsRejected):
        checking.check(refusing(added), "shop-1", by=ME)

    assert isinstance(added.secrets, MemorySecrets)
    assert list(added.secrets.versions) == ["env:SHOP"]
    assert document(added) == before
    assert state_of(added).refused_at == START
    assert len(audit(added)) == 1


def test_a_good_check_forgets_the_refusal_and_is_recorded(added: Services) -> None:
    """In one commit; without a refusal only the record is written."""
    refuse(added, START, cause=cause("credentials_rejected"))

    assert checking.check(added, "shop-1", by=ME) == "account of one"

    assert (state_of(added).refused_at, state_of(added).seq) == (None, 5)
    checking.check(added, "shop-1", by=ME)
    assert state_of(added).seq == 5
    assert audit(added)[-2:] == [("check", ""), ("check", "")]


@pytest.mark.parametrize(
    ("kind", "stream"), [("marketplace_unavailable", None), ("permission_denied", "orders")]
)
def test_a_check_says_nothing_about_other_causes(added: Services, kind: str, stream: str | None) -> None:
    """The marketplace's trouble and a stream's missing right stay until a task works."""
    state = {**to_document(SyncState(seq=1)), "cause": cause(kind, stream)}
    added.store.commit([Put("sync_state/shop-1", state)])

    checking.check(added, "shop-1", by=ME)

    found = added.store.get("sync_state/shop-1")
    assert found is not None
    assert found.data["cause"] == cause(kind, stream)


def test_a_refusal_after_the_check_began_stays(added: Services) -> None:
    """It is about a later call."""
    refuse(added, added.clock.now() + timedelta(seconds=1))

    checking.check(added, "shop-1", by=ME)

    assert state_of(added).refusals == 3


class Between:
    """A store in which something happens before the first commit, which may also fail."""

    def __init__(self, services: Services, *, first: Sequence[Write] = (), fails: bool = False) -> None:
        self._store, self._first, self._fails = services.store, list(first), fails

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, writes: Sequence[Write]) -> Any:
        """Commit, after the other's writes."""
        if self._first:
            self._store.commit(self._first)
            self._first = []
        if self._fails:
            raise StoreUnavailable("no answer", action="try again")
        return self._store.commit(writes)


def test_a_claim_between_reading_and_storing_is_not_overwritten(added: Services) -> None:
    """The state's version is a precondition: after the conflict it is decided again, on the new state."""
    refuse(added, START)
    again = added.clock.now() + timedelta(seconds=5)
    first = [Update("sync_state/shop-1", {"refused_at": again, "seq": 9})]
    between: Any = Between(added, first=first)

    checking.check(replace(added, store=between), "shop-1", by=ME)

    assert (state_of(added).refused_at, state_of(added).seq) == (again, 9)


def test_a_change_by_somebody_else_in_between_is_kept(added: Services) -> None:
    """The command is refused instead, and says that the secret is stored."""
    between: Any = Between(added, first=[Update("connections/shop-1", {"name": "Theirs"})])

    with pytest.raises(
        NotPossible, match=r"somebody else changed .*; its secret was stored before"
    ) as caught:
        change(replace(added, store=between), CANARY, fields={"name": "Mine"})

    assert document(added)["name"] == "Theirs"
    assert "--credential file:" in caught.value.action
    assert "canary" not in str(caught.value)


def test_a_failed_commit_after_the_secret_says_so(services: Services) -> None:
    """With the command that needs no secret any more."""
    between: Any = Between(services, fails=True)

    with pytest.raises(StoreUnavailable, match="its secret was stored before, as file:/") as caught:
        adding.add(replace(services, store=between), "shop-1", by=ME, secret=CANARY, **GOOD)

    assert "--credential file:/" in caught.value.action
    assert caught.value.action.startswith("try again; ")


def test_a_document_that_cannot_be_read_can_be_repaired(added: Services) -> None:
    """By a command that corrects all of its faults."""
    added.store.commit([Update("connections/shop-1", {"reconcile_hours": "often"})])

    with pytest.raises(ConnectionInvalid, match="reconcile_hours"):
        change(added, fields={"name": "x"})
    done = change(added, fields={"reconcile_hours": 12})

    assert done.from_the_beginning == ["orders", "products"]


def test_the_command_tells_the_effect(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of what changed, and the streams that are read again."""
    shop.environment(tmp_path, monkeypatch)
    shop.fill(tmp_path)

    words = ["connections", "set", "my-shop", "--keep-raw", "--backfill-since", "2026-01-01", "--name", "N"]
    assert main(words) == 0

    told = capsys.readouterr().out
    assert "changed: name, keep_raw, backfill_since" in told
    assert "read from the beginning once more: orders, products, inventory" in told
    assert main(["connections", "set", "my-shop", "--no-keep-raw", "--backfill-since", "all"]) == 0
    assert main(["connections", "set", "my-shop"]) == 1
    assert "nothing is to be changed" in capsys.readouterr().err


def test_the_next_tick_follows_the_last_one(services: Services, tmp_path: Path) -> None:
    """Unknown without one, or if it should have been already."""
    assert adding.next_tick(services) is None
    shop.fill(tmp_path)
    for minutes, due_at in ((16, None), (13, START + timedelta(minutes=2))):
        at = START - timedelta(minutes=minutes)
        services.store.commit([Update(f"runs/{shop.RUN_ID}", {"schedule_time": at})])
        assert adding.next_tick(services) == due_at


def test_the_usual_organization_is_the_only_one(services: Services) -> None:
    """It is offered, if all connections have the same."""
    assert adding.usual_organization(services) is None
    connections.add(services, "shop-1", by=ME, **GOOD)
    assert adding.usual_organization(services) == "org-1"
    connections.add(services, "shop-2", by=ME, **{**GOOD, "organization_id": "org-2"})
    assert adding.usual_organization(services) is None
