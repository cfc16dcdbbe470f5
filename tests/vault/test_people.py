"""What people do with credentials in the vault: check, set, move to a reference, remove."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from orchestrator import handle
from orchestrator.errors import (
    ConnectionInvalid,
    CredentialsRejected,
    MarketplaceUnavailable,
    NotFound,
    QueueUnavailable,
    RateLimited,
    RequestError,
    SecretMissing,
    SyncError,
)
from orchestrator.model.audit import Action
from orchestrator.model.connection import VAULT
from orchestrator.model.messages import Message
from orchestrator.model.vault import CheckError
from orchestrator.operators import checks, pause
from orchestrator.operators.checks import Result
from orchestrator.operators.sellers import adding, changing, checking
from orchestrator.operators.sellers.adding import Secret
from orchestrator.operators.sellers.changing import Changes
from orchestrator.ports import Create, Put, Query
from orchestrator.vault.trial import error_of
from tests.core.test_clocks import SECOND, TellingStore
from tests.support.clocks import START, VirtualClock
from tests.vault.conftest import ME, Site

REFERENCE = "env:NONE"


def change(site: Site, *, secret: str | None = None, settings: Any = None, **fields: Any) -> changing.Changed:
    """A person changes connection `a`."""
    changes = Changes(fields, settings or {})
    return changing.change(site.people, "a", by=ME, changes=changes, secret=Secret(secret))


def test_the_worker_checks_for_people(site: Site) -> None:
    """It names the account, writes who asked, and leaves no question behind."""
    site.add("a", settings={"shop": "two"})

    assert checking.check(site.people, "a", by=ME) == "shop two"

    assert site.shown["a"] == site.secret("a")
    found = site.world.store.query(Query("audit", limit=10))
    assert (Action.CHECK, ME.name) in [(each.data["action"], each.data["actor"]) for each in found]
    assert site.world.store.query(Query("checks", limit=1)) == []


def test_a_check_fails_as_the_worker_met_it(site: Site) -> None:
    """With its class, so that the command's exit code is the same."""
    site.add("a")
    site.world.store.commit([Put("credentials/a", {})])

    with pytest.raises(SecretMissing, match="credentials/a cannot be read"):
        checking.check(site.people, "a", by=ME)
    with pytest.raises(NotFound):
        checking.check(site.people, "b", by=ME)


def test_a_check_that_nobody_answers_ends(site: Site) -> None:
    """Delivered late, it makes no call: nobody waits any more."""
    site.add("a")
    site.queue.worker = None
    with pytest.raises(QueueUnavailable, match="did not check"):
        checking.check(site.people, "a", by=ME)
    site.shown.clear()

    handle.handle(site.worker, site.queue.messages[0])
    handle.handle(site.worker, Message(kind="check", connection_id="a", check_id="none"))

    assert site.shown == {}
    assert [line["seconds"] for line in site.lines.of("check_late")] == [pytest.approx(90, abs=2)]


@pytest.mark.parametrize("off", [timedelta(minutes=-20), timedelta(minutes=20)], ids=["behind", "ahead"])
def test_a_persons_clock_may_be_off(site: Site, off: timedelta) -> None:
    """The store's time tells how old a question is, and which refusals were before the check."""
    site.add("a")
    store = TellingStore(site.world.store)
    site.queue.worker = dataclasses.replace(site.worker, store=store)
    people = dataclasses.replace(site.people, store=store, clock=VirtualClock(START + off))
    refused = {"health": "needs_attention", "refused_at": START - SECOND, "refusals": 1, "seq": 1}
    site.world.store.commit([Create("sync_state/a", refused)])

    assert checking.check(people, "a", by=ME) == "shop one"

    assert site.world.state("a").refused_at is None


def test_a_question_of_one_connection_is_no_question_of_another(site: Site) -> None:
    """And an answered one is not answered again."""
    site.add("a")
    site.shown.clear()
    question = {
        "connection_id": "b",
        "requested_by": "x",
        "face": "http",
        "requested_at": START,
        "expires_at": START,
    }
    answered = {**question, "connection_id": "a", "answered_at": START}
    site.world.store.commit([Create("checks/1", question), Create("checks/2", answered)])

    for check_id in ("1", "2"):
        handle.handle(site.worker, Message(kind="check", connection_id="a", check_id=check_id))

    assert site.shown == {}


@pytest.mark.parametrize(
    "error",
    [
        CredentialsRejected("no", action="do"),
        RateLimited("later", wait_s=1),
        MarketplaceUnavailable("down"),
        ConnectionInvalid("bad"),
    ],
)
def test_an_answered_error_is_of_its_own_class(error: SyncError) -> None:
    """Also one of several classes of a kind."""
    found = error_of(CheckError(kind=error.kind, message=error.message, action=error.action))

    assert (type(found), found.message, found.action) == (type(error), error.message, error.action)


def test_a_secret_is_replaced(site: Site) -> None:
    """The command tries it first; the one before is kept nowhere."""
    site.add("a")
    site.credential("a").add_version(VAULT, "renewed")

    assert change(site, secret=site.secret("new")).account == "shop one"

    assert site.read("a") == site.secret("new")
    assert site.credential("a").previous(VAULT) is None


@pytest.mark.parametrize(
    "change_of",
    [{"settings": {"shop": "evil"}}, {"settings": {"base_url": "http://127.0.0.1:1"}}],
    ids=["target", "host"],
)
def test_a_change_of_the_target_asks_for_the_credential(site: Site, change_of: Any) -> None:
    """Nothing is stored without it; with it, it is encrypted for the new target."""
    site.add("a")
    before = site.world.get("connections/a").data
    with pytest.raises(RequestError, match="needs the credential again"):
        change(site, **change_of)
    with pytest.raises(RequestError, match="needs the credential again"):
        change(site, organization_id="org-2", credential=VAULT)
    assert site.world.get("connections/a").data == before

    change(site, secret=site.secret("a"), organization_id="org-2", **change_of)

    assert site.read("a") == site.secret("a")


def test_other_settings_change_without_the_credential(site: Site) -> None:
    """Their form is checked here, and the worker is asked for the rest."""
    site.add("a")

    done = change(site, settings={"colour": "blue"})
    with pytest.raises(ConnectionInvalid, match="colour"):
        change(site, settings={"colour": 1})

    assert (done.is_untried, done.account) == (True, "")
    assert not change(site, name="B").is_untried
    assert checking.check(site.people, "a", by=ME) == "shop one"


def test_a_connection_moves_to_a_reference_and_back(site: Site) -> None:
    """The vault keeps nothing of it; back, it comes with its secret."""
    site.add("a")

    change(site, credential=REFERENCE)
    assert site.world.store.get("credentials/a") is None
    assert site.world.get("connections/a").data["credential"] == REFERENCE
    with pytest.raises(RequestError, match="comes with its secret"):
        change(site, credential=VAULT)
    change(site, secret=site.secret("a"))

    assert site.read("a") == site.secret("a")


def test_removing_a_connection_removes_its_credential(site: Site) -> None:
    """In the same commit; the next one of that id brings its own."""
    site.add("a")

    pause.remove(site.people, "a", by=ME)

    assert site.world.store.get("credentials/a") is None
    site.add("a", site.secret("second"))
    assert site.read("a") == site.secret("second")


def test_a_new_connection_in_the_vault_comes_with_its_secret(site: Site) -> None:
    """A word in a document is no credential."""
    given: Any = {"organization_id": "o", "marketplace": "shopify", "name": "a", "settings": {}}
    with pytest.raises(RequestError, match="comes with its secret"):
        adding.add(site.people, "a", by=ME, secret=Secret(None), credential=VAULT, **given)


def test_a_store_of_the_last_release_works_without_a_vault(site: Site) -> None:
    """Its references are read, checked and mixed with the vault as before."""
    site.world.connect("old")
    site.add("a")
    bare = dataclasses.replace(site.worker, vault=None)

    assert checking.check(bare, "old", by=ME) == checking.check(site.people, "old", by=ME) == "shop one"
    assert checking.check(site.people, "a", by=ME) == "shop one"
    with pytest.raises(SecretMissing, match="VAULT_PUBLIC_KEYSET"):
        dataclasses.replace(site, worker=bare).read("a")


def test_doctor_looks_at_the_vault(site: Site) -> None:
    """The public keyset, and whether a connection's credential is there."""
    site.add("a")

    def found(services: Any) -> list[tuple[str, Result]]:
        each = checks.look(services, caller=str, queue=str, dead_letters=lambda: None)
        return [(check.name, check.result) for check in each if check.name in {"vault", "secrets"}]

    assert found(site.people) == [("secrets", Result.OK), ("vault", Result.OK)]
    site.secrets.versions.clear()
    pause.remove(site.people, "a", by=ME)
    assert found(site.people) == [("secrets", Result.SKIPPED), ("vault", Result.FAILED)]


@pytest.mark.processes
def test_the_wiring_imports_no_tink() -> None:
    """The HTTP function has the vault's object too, and never pays for the library."""
    program = (
        "import sys; from orchestrator.adapters.vault import KeysetVault; import orchestrator.wiring, "
        "orchestrator.vault.keys; print('tink' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
