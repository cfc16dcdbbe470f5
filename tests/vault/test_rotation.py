"""The vault's keys: made once, rotated, and broken off anywhere."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import handle
from orchestrator.adapters.vault import KeysetVault
from orchestrator.errors import NotPossible, QueueUnavailable, SecretMissing, StoreUnavailable
from orchestrator.model.connection import VAULT
from orchestrator.model.messages import Message
from orchestrator.model.vault import KEYS_PATH, KeysStatus
from orchestrator.operators.sellers import checking, keysets
from orchestrator.ports import Delete, Put, Query, Update, Written
from orchestrator.runs.start import start_tick
from orchestrator.services import Services
from orchestrator.vault import keys
from tests.support.clocks import START
from tests.support.secrets import RememberingSecrets
from tests.support.stores import Killed, WrappedStore
from tests.vault.conftest import ME, PRIVATE, PUBLIC, Site

NAMES = ("a", "b", "c")


class Fuse:
    """Kills the process at one of its outward steps, before it or after it."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after
        self.is_blown = False

    def step(self, act: Any) -> Any:
        """Do it, unless this is the step."""
        self.left -= 1
        blows = self.left == -1
        if blows and not self.after:
            self.is_blown = True
            raise Killed
        result = act()
        if blows:
            self.is_blown = True
            raise Killed
        return result


class FusedStore(WrappedStore):
    """Commits burn the fuse."""

    def __init__(self, store: Any, fuse: Fuse) -> None:
        super().__init__(store)
        self.fuse = fuse

    def commit(self, writes: Any) -> list[Written]:
        """One step."""
        return list(self.fuse.step(lambda: self.behind.commit(writes)))


class FusedSecrets(RememberingSecrets):
    """So do new versions."""

    def __init__(self, behind: RememberingSecrets, fuse: Fuse) -> None:
        super().__init__()
        self.versions, self.fuse = behind.versions, fuse

    def add_version(self, reference: str, content: str) -> None:
        """One step."""
        self.fuse.step(lambda: super(FusedSecrets, self).add_version(reference, content))


def fused(site: Site, fuse: Fuse) -> Services:
    """A worker process of its own that dies when the fuse is burnt."""
    secrets = FusedSecrets(site.secrets, fuse)
    vault = KeysetVault(secrets, private=PRIVATE, public=PUBLIC)
    return dataclasses.replace(
        site.worker, store=FusedStore(site.world.store, fuse), secrets=secrets, vault=vault
    )


def key_ids(site: Site) -> set[int]:
    """The keys of all stored credentials."""
    return {each.data["key_id"] for each in site.world.store.query(Query("credentials", limit=100))}


def test_the_first_keyset_is_made_once(site: Site) -> None:
    """The command may be repeated by every deployment: what exists is never replaced."""
    site.secrets.versions.clear()
    site.secrets.kept.clear()

    made, is_new = keysets.init(site.people, by=ME)
    again, is_newer = keysets.init(site.people, by=ME)

    assert (is_new, is_newer, again) == (True, False, made)
    assert [len(site.secrets.versions[each]) for each in (PRIVATE, PUBLIC)] == [1, 1]
    assert site.keys().status is KeysStatus.DONE


def test_a_keyset_is_refused_beside_a_public_one(site: Site) -> None:
    """A lost private keyset is a person's to restore: a new one would hide the loss."""
    site.secrets.versions[PRIVATE].clear()
    site.secrets.kept.clear()
    site.world.store.commit([Put(KEYS_PATH, _asked("init"))])

    handle.handle(site.worker, Message(kind="vault"))

    assert site.keys().status is KeysStatus.FAILED
    assert not site.secrets.versions[PRIVATE]


def without_vault(site: Site) -> Services:
    """A worker whose environment names no public keyset."""
    return dataclasses.replace(site.worker, vault=None)


def without_keyset(site: Site) -> Services:
    """A worker whose environment names no private keyset."""
    return dataclasses.replace(site.worker, vault=KeysetVault(site.secrets, private="", public=PUBLIC))


@pytest.mark.parametrize("worker", [without_vault, without_keyset])
def test_a_worker_without_the_settings_of_the_vault_says_so(
    site: Site, worker: Callable[[Site], Services]
) -> None:
    """To everybody who asks it for something, and in the cause of the connection: not in its log alone."""
    site.add("a")
    site.queue.worker = worker(site)
    name = "VAULT_(PUBLIC_)?KEYSET.* is not set in its environment"

    keysets.rotate(site.people, by=ME)
    assert (site.keys().status, site.keys().owner) == (KeysStatus.FAILED, None)
    assert re.search(name, site.keys().error)
    site.secrets.versions[PUBLIC].clear()
    with pytest.raises(NotPossible, match=name):
        keysets.init(site.people, by=ME)
    with pytest.raises(SecretMissing, match=name):
        checking.check(site.people, "a", by=ME)
    start_tick(site.queue.worker, job="sync", schedule_time=START, requested_by="scheduler")
    cause = site.world.state("a").cause
    assert cause is not None
    assert cause.kind == SecretMissing.kind
    assert re.search(name, cause.message)


class WithoutRole(RememberingSecrets):
    """Secret Manager, for a worker that may neither add versions nor make secrets."""

    def add_version(self, reference: str, content: str) -> None:
        """Not allowed."""
        raise SecretMissing(f"secret {reference}: PermissionDenied", action="grant secretVersionAdder")

    def create(self, reference: str) -> None:
        """Neither."""
        raise SecretMissing(f"secret {reference}: PermissionDenied", action="grant secrets.create")


def test_a_keyset_that_may_not_be_stored_names_the_role_that_the_worker_lacks(site: Site) -> None:
    """The role for making secrets is one that the worker never gets."""
    vault = KeysetVault(WithoutRole(), private=PRIVATE, public=PUBLIC)
    site.world.store.commit([Put(KEYS_PATH, _asked("init"))])

    handle.handle(dataclasses.replace(site.worker, vault=vault), Message(kind="vault"))

    assert site.keys().status is KeysStatus.FAILED
    assert "grant secretVersionAdder" in site.keys().error


def test_without_a_worker_it_says_so(site: Site) -> None:
    """The wait has an end."""
    site.secrets.versions.clear()
    site.secrets.kept.clear()
    site.queue.worker = None

    with pytest.raises(QueueUnavailable, match="did not make"):
        keysets.init(site.people, by=ME)
    with pytest.raises(NotPossible, match="no keyset"):
        keysets.rotate(site.people, by=ME)


def test_a_rotation_encrypts_all_again_and_drops_the_old_key(site: Site) -> None:
    """The plaintexts stay, the one before a rotated token too; old copies of the store open no more."""
    for name in NAMES:
        site.add(name)
    site.credential("a").add_version(VAULT, "renewed")
    old = site.world.get("credentials/b").data
    first = keysets.status(site.people)

    keysets.rotate(site.people, by=ME)
    view = keysets.status(site.people)

    assert view.state is not None
    assert (view.state.status, view.state.resealed, view.credentials) == (KeysStatus.DONE, 3, 3)
    assert view.key != first.key
    assert view.keys == [view.key]
    assert key_ids(site) == {view.key}
    assert (site.read("a"), site.credential("a").previous(VAULT)) == ("renewed", site.secret("a"))
    site.world.store.commit([Update("credentials/b", old)])
    site.secrets.kept.clear()
    with pytest.raises(Exception, match="lacks"):
        site.read("b")


def test_old_keys_stay_until_nobody_has_them_in_memory(site: Site) -> None:
    """A credential that is set under the old key during the rotation is found by the last pass."""
    site.add("a")
    kept_keyset = list(site.secrets.versions[PUBLIC])
    late = dataclasses.replace(
        site.people,
        vault=KeysetVault(RememberingSecrets({PUBLIC: kept_keyset}), private="", public=PUBLIC),
    )
    published: list[float] = []

    def meanwhile() -> None:
        published.append(site.world.clock.monotonic())
        if len(published) == 300:  # as old as a kept keyset may be
            dataclasses.replace(site, people=late).add("0-late")

    site.world.clock.meanwhile = meanwhile
    keysets.rotate(site.people, by=ME)

    assert site.keys().status is KeysStatus.DONE
    assert site.keys().resealed == 2
    assert site.read("0-late") == site.secret("0-late")
    assert published[-1] - published[0] >= keys.LET_GO.total_seconds() - 2


def test_a_token_that_is_renewed_during_a_rotation_keeps_the_one_before_it(site: Site) -> None:
    """Both are under the new key: else that of the one before is dropped, and the next rotation blocked."""
    site.add("a")
    task = site.credential("a")
    task.get(VAULT)
    site.queue.worker = None
    keysets.rotate(site.people, by=ME)
    with pytest.raises(Killed):  # after the new key is published, and before any credential is found
        handle.handle(fused(site, Fuse(5, after=False)), site.queue.messages.pop())
    site.secrets.kept.clear()

    task.add_version(VAULT, "renewed")
    site.world.clock.advance(601)
    handle.handle(site.worker, Message(kind="vault"))
    while site.queue.messages:
        handle.handle(site.worker, site.queue.messages.pop(0))

    assert site.keys().status is KeysStatus.DONE
    assert (site.read("a"), site.credential("a").previous(VAULT)) == ("renewed", site.secret("a"))
    site.queue.worker = site.worker
    keysets.rotate(site.people, by=ME)
    assert site.keys().status is KeysStatus.DONE


def test_a_credential_that_cannot_be_read_keeps_the_old_keys(site: Site) -> None:
    """Once it is put right, the rotation is continued; a credential without a connection is nobody's."""
    for name in NAMES:
        site.add(name)
    site.world.store.commit([Update("connections/b", {"organization_id": "org-2"})])
    site.world.store.commit([Delete("connections/c")])

    keysets.rotate(site.people, by=ME)
    blocked = site.keys()
    assert (blocked.status, blocked.unreadable) == (KeysStatus.BLOCKED, ("b",))
    assert len(keysets.status(site.people).keys) == 2
    site.world.store.commit([Update("connections/b", {"organization_id": "org-1"})])
    assert site.read("b") == site.secret("b")
    keysets.rotate(site.people, by=ME)

    assert site.keys().status is KeysStatus.DONE
    assert len(keysets.status(site.people).keys) == 1
    assert site.read("b") == site.secret("b")


@pytest.mark.parametrize("harm", ["swapped public keyset", "rolled-back keyset"])
def test_a_keyset_that_does_not_fit_is_not_rotated(site: Site, harm: str) -> None:
    """The rotation is refused, and nothing is encrypted with a stranger's key."""
    site.add("a")
    if harm == "swapped public keyset":
        stranger = KeysetVault(site.secrets, private="file:stranger", public=PUBLIC)
        stranger.add_key()
        stranger.publish()
    else:
        first = site.secrets.versions[PRIVATE][-1]
        assert site.worker.vault is not None
        site.worker.vault.add_key()
        site.worker.vault.publish()
        site.secrets.add_version(PRIVATE, first)
    before = site.world.get("credentials/a").data
    versions = len(site.secrets.versions[PRIVATE])

    keysets.rotate(site.people, by=ME)

    assert site.keys().status is KeysStatus.FAILED
    assert "exchanged" in site.keys().error
    assert site.lines.of("vault_foreign_key")
    assert site.world.get("credentials/a").data == before
    assert len(site.secrets.versions[PRIVATE]) == versions


@pytest.mark.parametrize("after", [False, True], ids=["before the step", "after the step"])
def test_a_rotation_may_be_broken_off_anywhere(
    site: Site, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every credential can be read at each moment, and the message delivered again ends the rotation."""
    monkeypatch.setattr(keys, "_PAGE", 2)
    for name in NAMES:
        site.add(name)
    site.queue.worker = None
    broken = 0
    for at in range(100):
        keysets.rotate(site.people, by=ME)
        site.queue.messages.clear()
        fuse = Fuse(at, after=after)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(keys, "LET_GO", keys.LET_GO / 600)
            try:
                handle.handle(fused(site, fuse), Message(kind="vault"))
            except Killed:
                broken += 1
            site.secrets.kept.clear()
            assert [site.read(name) for name in NAMES] == [site.secret(name) for name in NAMES]
            assert site.worker.vault is not None
            assert not site.worker.vault.has_foreign_keys()
            site.world.clock.advance(601)  # the lease is over
            handle.handle(site.worker, Message(kind="vault"))
        assert site.keys().status is KeysStatus.DONE
        assert key_ids(site) == {site.keys().key}
        assert [site.read(name) for name in NAMES] == [site.secret(name) for name in NAMES]
        assert len(keysets.status(site.people).keys) == 1
        # One key a rotation, and the first.
        made = {key["keyId"] for text in site.secrets.versions[PRIVATE] for key in json.loads(text)["key"]}
        assert len(made) == at + 2
        if not fuse.is_blown:
            break

    # begin, from, key, publish, key stored; two pages of two and one; second pass; drop, publish, end
    assert broken >= 14


def test_one_worker_at_a_time(site: Site) -> None:
    """A second delivery waits for the first, whose lease ends if it dies."""
    site.add("a")
    site.queue.worker = None
    keysets.rotate(site.people, by=ME)
    with pytest.raises(Killed):
        handle.handle(fused(site, Fuse(2, after=True)), Message(kind="vault"))

    with pytest.raises(StoreUnavailable, match="another worker"):
        handle.handle(site.worker, Message(kind="vault"))
    assert keysets.rotate(site.people, by=ME) == site.keys()
    site.world.clock.advance(601)
    handle.handle(site.worker, Message(kind="vault"))
    while site.queue.messages:
        handle.handle(site.worker, site.queue.messages.pop(0))

    assert site.keys().status is KeysStatus.DONE


def test_a_message_that_asks_for_nothing_does_nothing(site: Site, tmp_path: Path) -> None:
    """Whoever may publish cannot rotate: the state's document says what is to be done."""
    versions = len(site.secrets.versions[PRIVATE])

    handle.handle(site.worker, Message(kind="vault"))

    assert len(site.secrets.versions[PRIVATE]) == versions
    assert site.world.store.get(KEYS_PATH) is None


def _asked(action: str) -> dict[str, object]:
    return {
        "action": action,
        "status": "requested",
        "requested_by": "jane",
        "requested_at": START,
    }
