"""A credential in the vault opens for its own connection and target alone, and appears nowhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.vault import KeysetVault
from orchestrator.errors import Conflict, SecretError, SecretMissing, SecretUnavailable
from orchestrator.model.connection import VAULT
from orchestrator.operators.sellers import changing
from orchestrator.operators.sellers.adding import Secret
from orchestrator.operators.sellers.changing import Changes
from orchestrator.ports import Update, Write, Written
from orchestrator.services import Services
from tests.support.clocks import START
from tests.support.secrets import RememberingSecrets
from tests.support.stores import WrappedStore
from tests.vault.conftest import CANARY, ME, PRIVATE, PUBLIC, Site


def edit(site: Site, path: str, **fields: Any) -> None:
    """Somebody writes a document by hand."""
    site.world.store.commit([Update(path, fields)])


def test_a_credential_of_60_kb_is_read_for_a_task(site: Site) -> None:
    """And the credential costs a task one document more."""
    secret = site.secret("big", size=60_000)
    site.add("big", secret)
    site.add("a")
    site.world.connect("plain")
    for name in ("a", "plain"):
        site.world.bazaar.shop(name).put("orders", "o1", START - timedelta(hours=1))
    site.queue.worker = None

    world = site.world
    world.services = site.worker
    world.queue = site.queue
    run_id, run = world.run_once()

    assert run.tasks.succeeded == 3
    assert (site.shown["big"], site.shown["a"]) == (secret, site.secret("a"))
    reads = {name: world.task(run_id, name).cost.document_reads for name in ("a", "plain")}
    assert reads["a"] == reads["plain"] + 1


def swap(site: Site) -> None:
    """Exchange two connections' ciphertexts."""
    one, other = (site.world.get(f"credentials/{name}").data for name in ("a", "b"))
    edit(site, "credentials/a", **other)
    edit(site, "credentials/b", **one)


def cut(site: Site) -> None:
    """Cut a ciphertext."""
    for name in ("a", "b"):
        edit(site, f"credentials/{name}", sealed=site.world.get(f"credentials/{name}").data["sealed"][:-1])


def shorten(site: Site) -> None:
    """Cut it to less than a key's id."""
    for name in ("a", "b"):
        edit(site, f"credentials/{name}", sealed=b"\x01ab")


def flip(site: Site) -> None:
    """Change one bit of it."""
    for name in ("a", "b"):
        sealed = bytearray(site.world.get(f"credentials/{name}").data["sealed"])
        sealed[40] ^= 1
        edit(site, f"credentials/{name}", sealed=bytes(sealed))


def another_key(site: Site) -> None:
    """Encrypt it for the right context, with a stranger's keyset."""
    stranger = KeysetVault(RememberingSecrets(), private=PRIVATE, public=PUBLIC)
    stranger.add_key()
    stranger.publish()
    for name in ("a", "b"):
        context = site.credential(name)._context()
        sealed = stranger.seal(site.secret(name), context)
        edit(site, f"credentials/{name}", sealed=sealed.content, key_id=sealed.key_id)


def edited(**fields: Any) -> Callable[[Site], None]:
    """Edit both connections by hand."""

    def change(site: Site) -> None:
        for name in ("a", "b"):
            edit(site, f"connections/{name}", **fields)

    return change


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(swap, id="swapped ciphertexts"),
        pytest.param(cut, id="truncated"),
        pytest.param(shorten, id="truncated to nothing"),
        pytest.param(flip, id="one bit"),
        pytest.param(another_key, id="wrong key"),
        pytest.param(edited(settings={"shop": "evil"}), id="edited target"),
        pytest.param(edited(settings={"base_url": "http://127.0.0.1:1"}), id="edited host"),
        pytest.param(edited(organization_id="org-2"), id="edited organization"),
        pytest.param(edited(marketplace="takealot"), id="edited marketplace"),
    ],
)
def test_a_credential_opens_for_its_own_connection_and_target_alone(
    site: Site, harm: Callable[[Site], None]
) -> None:
    """It is neither sent elsewhere nor quoted; undone, or set again, it works."""
    site.add("a")
    site.add("b")
    harm(site)

    for name in ("a", "b"):
        with pytest.raises(SecretMissing) as caught:
            site.read(name)
        assert CANARY not in f"{caught.value} {caught.value.action}"
        assert caught.value.__cause__ is None
        assert f"connections set {name} --secret-file -" in caught.value.action


def test_other_fields_leave_the_credential_alone(site: Site) -> None:
    """Only the owner and the target are bound."""
    site.add("a", settings={"shop": "one"})

    edit(site, "connections/a", settings={"colour": "blue"}, name="Another", streams=["products"])

    assert site.read("a") == site.secret("a")


def test_parts_of_the_context_cannot_run_into_each_other(site: Site) -> None:
    """A connection `bc` of `a` is no connection `c` of `ab`."""
    site.add("bc", organization_id="a")
    site.add("c", organization_id="ab")

    one, other = site.credential("bc")._context(), site.credential("c")._context()
    edit(site, "credentials/c", **site.world.get("credentials/bc").data)

    assert one != other
    with pytest.raises(SecretMissing):
        site.read("c")


def test_people_write_credentials_and_never_read_one(site: Site) -> None:
    """Their process has the public keyset alone."""
    site.add("a")
    seen = dataclasses.replace(site, worker=site.people)

    with pytest.raises(SecretMissing, match="only the worker"):
        seen.read("a")


def test_a_swapped_public_keyset_is_found_out(site: Site) -> None:
    """What was encrypted with it opens for nobody here, and the log says why."""
    stranger = KeysetVault(site.secrets, private="file:stranger", public=PUBLIC)
    stranger.add_key()
    stranger.publish()
    site.secrets.kept.clear()
    site.add("a")

    with pytest.raises(SecretMissing, match="lacks"):
        site.read("a")
    assert site.lines.of("vault_foreign_key")


def test_a_rolled_back_keyset_loses_nothing(site: Site) -> None:
    """With the newer version back, the credential opens again."""
    first = site.secrets.versions[PRIVATE][-1]
    assert site.worker.vault is not None
    site.worker.vault.add_key()
    site.worker.vault.publish()
    site.secrets.kept.clear()
    site.add("a")
    newest = site.secrets.versions[PRIVATE][-1]

    site.secrets.add_version(PRIVATE, first)
    site.secrets.kept.clear()
    with pytest.raises(SecretMissing, match="lacks"):
        site.read("a")
    site.secrets.add_version(PRIVATE, newest)

    assert site.read("a") == site.secret("a")


def test_an_unknown_key_has_the_keyset_read_again_once(site: Site) -> None:
    """An instance that kept the keyset from before a rotation finds the new key by itself."""
    site.add("a")
    site.read("a")
    before = site.secrets.kept[PRIVATE]
    assert site.worker.vault is not None
    site.worker.vault.add_key()
    site.worker.vault.publish()
    site.secrets.kept.clear()
    site.add("b")
    site.secrets.kept[PRIVATE] = before
    reads = site.secrets.reads

    assert site.read("b") == site.secret("b")
    assert site.secrets.reads == reads + 1


def test_a_rotated_token_is_stored_beside_the_one_before(site: Site) -> None:
    """In the vault, before it is used; and it can be read for the next task."""
    site.add("a")
    task = site.credential("a")
    task.get(VAULT)

    task.add_version(VAULT, "renewed")

    assert (task.get(VAULT), task.previous(VAULT)) == ("renewed", site.secret("a"))
    assert site.read("a") == "renewed"


def test_a_rotated_token_never_overwrites_what_a_person_has_set(site: Site) -> None:
    """The task fails and the next attempt uses the new credential."""
    site.add("a")
    task = site.credential("a")
    task.get(VAULT)
    site.world.clock.advance(1)
    changing.change(site.people, "a", by=ME, changes=Changes(), secret=Secret("set anew"))

    with pytest.raises(SecretUnavailable, match="replaced"):
        task.add_version(VAULT, "renewed")

    assert site.read("a") == "set anew"


def test_a_rotated_token_survives_another_writer(site: Site) -> None:
    """Such as a rotation of the keys, which encrypts the same text again."""
    site.add("a")
    task = site.credential("a")
    task.get(VAULT)
    edit(site, "credentials/a", updated_at=site.world.clock.now())

    task.add_version(VAULT, "renewed")

    assert site.read("a") == "renewed"


def test_no_plaintext_is_anywhere(site: Site, tmp_path: Path) -> None:
    """Not in a document, a log line, an error, a message or a repr; the secrets are but two keysets."""
    site.add("a")
    site.credential("a").add_version(VAULT, site.secret("renewed"))
    changing.change(site.people, "a", by=ME, changes=Changes(), secret=Secret(site.secret("new")))
    site.world.services = site.worker
    site.world.run_once()
    edit(site, "connections/a", organization_id="org-2")
    with pytest.raises(SecretError) as caught:
        site.read("a")

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    told = [*site.queue.bodies, repr(site.lines.lines).encode(), repr(caught.value).encode()]
    told += [repr(each).encode() for each in (site.worker.vault, site.credential("a"))]
    assert CANARY.encode() not in b"".join([stored, *told])
    assert set(site.secrets.versions) == {PRIVATE, PUBLIC, "env:NONE"}
    keys = site.secrets.versions[PRIVATE][0]
    assert keys.encode() not in stored
    assert "Private" not in site.secrets.versions[PUBLIC][0]


class Busy(WrappedStore):
    """Somebody else always writes first."""

    def commit(self, writes: Any) -> list[Written]:
        """Refuse it."""
        first: Write = writes[0]
        raise Conflict(f"{first.path} has changed")


def test_a_token_that_cannot_be_stored_is_not_used(site: Site) -> None:
    """After bounded attempts the task is redelivered."""
    site.add("a")
    busy: Services = dataclasses.replace(site.worker, store=Busy(site.world.store))
    task = site.credential("a")
    task._store = busy.store

    with pytest.raises(SecretUnavailable, match="too often"):
        task.add_version(VAULT, "renewed")
