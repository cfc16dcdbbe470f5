"""`connections authorize`: the consent flows of eBay and Amazon over real HTTP, against their sandboxes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest
import urllib3

from orchestrator import wiring
from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import main
from orchestrator.cli.sellers import ask
from orchestrator.errors import CredentialsRejected, RequestError
from orchestrator.marketplaces.consent import Application
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.operators import connections
from orchestrator.operators.sellers import consenting
from orchestrator.operators.sellers.consenting import Asked
from orchestrator.ports import Query
from orchestrator.services import Services
from orchestrator.settings import Settings
from tests.cli.sellers.terminal import typed
from tests.support.scripted import CREDENTIALS, SETTINGS, Sandbox

REGISTRATION = {"ebay": "sandbox-runame", "amazon": "amzn1.sp.solution.sandbox-0"}
OPTION = {"ebay": "--runame", "amazon": "--application-id"}
MARKETPLACES = sorted(REGISTRATION)


@pytest.fixture(params=MARKETPLACES)
def running(request: pytest.FixtureRequest) -> Sandbox:
    """Each sandbox with a consent flow."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Sandbox)
    return found


def opened(address: str, **more: str) -> str:
    """The address that a browser arrives at after the consent page's."""
    reply = urllib3.request("GET", f"{address}&{urlencode(more)}", redirect=False, timeout=30)
    assert reply.status == 302, reply.data
    return reply.headers["Location"]


def changed(address: str, **parameters: str) -> str:
    """The address with other values of parameters."""
    parts = urlsplit(address)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return urlunsplit(parts._replace(query=urlencode({**query, **parameters})))


@pytest.fixture
def world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Services with the real connectors, as the command line makes them."""
    assert folder.exists()
    built = wiring.build(Settings.from_environment(os.environ), delivers=False)
    monkeypatch.setattr(wiring, "build", lambda *_, **__: built)
    yield built
    built.executor.shutdown()


def asked_of(world: Services, running: Sandbox, **application: str) -> Asked:
    """A consent for a connection that is stored nowhere."""
    name = running.marketplace
    drafted = connections.drafted(
        world,
        "my-shop",
        organization_id="my-company",
        marketplace=name,
        name="My shop",
        credential="",
        settings={**SETTINGS[name], "base_url": running.url},
    )
    keys = {**CREDENTIALS[name], **application}
    registered = Application(keys["client_id"], keys["client_secret"], REGISTRATION[name])
    return consenting.ask_for_consent(world, "my-shop", drafted, registered)


def test_a_consent_gives_a_refresh_token(world: Services, running: Sandbox) -> None:
    """The one of the seller who agreed."""
    asked = asked_of(world, running)

    content = json.loads(asked.secret(opened(asked.address)))

    assert content == CREDENTIALS[running.marketplace]


def tokens(running: Sandbox) -> int:
    """Calls of the token endpoint so far."""
    by_path = running.control("GET", "stats")["by_path"]
    return sum(by_path.get(path, {"calls": 0})["calls"] for path in TOKEN_PATHS)


TOKEN_PATHS = ("/identity/v1/oauth2/token", "/auth/o2/token")
PASTED: dict[str, tuple[Callable[[str], str], str]] = {
    "another state": (lambda url: changed(url, state="x" * 43), "its `state` is another one"),
    "another alphabet": (lambda url: changed(url, state="é"), "its `state` is another one"),
    "no state": (lambda url: changed(url, state=""), "its `state` is another one"),
    "no code": (lambda url: changed(url, code="", spapi_oauth_code=""), "the address has no"),
    "declined": (lambda url: changed(url, error="access_denied"), r"did not agree \(access_denied\)"),
    "declined oddly": (lambda url: changed(url, error="<b>canary</b>"), "did not agree;"),
    "the code alone": (lambda url: parse_qs(urlsplit(url).query)["state"][0], "not the address"),
    "nothing": (lambda _: "", "not the address"),
    "no address": (lambda _: "http://[canary", "not the address"),
}


@pytest.mark.parametrize("case", PASTED)
def test_an_address_that_is_not_the_answer_makes_no_call(
    world: Services, running: Sandbox, case: str
) -> None:
    """The message says why, and quotes none of it."""
    change, told = PASTED[case]
    asked = asked_of(world, running)
    pasted = change(opened(asked.address))
    before = tokens(running)

    with pytest.raises(RequestError, match=told) as caught:
        asked.secret(pasted)

    assert tokens(running) == before
    assert "canary" not in f"{caught.value} {caught.value.action}"
    assert "code#" not in f"{caught.value} {caught.value.action}"


def test_a_declined_consent_is_told(world: Services, running: Sandbox) -> None:
    """As the consent page answers it."""
    asked = asked_of(world, running)

    with pytest.raises(RequestError, match="the seller did not agree"):
        asked.secret(opened(asked.address, decline="1"))


def test_a_code_works_once(world: Services, running: Sandbox) -> None:
    """A used one is refused by the marketplace, with the remedy."""
    asked = asked_of(world, running)
    pasted = opened(asked.address)
    asked.secret(pasted)

    with pytest.raises(CredentialsRejected) as caught:
        asked.secret(pasted)

    assert "a code works once" in caught.value.action
    assert parse_qs(urlsplit(pasted).query)["state"][0] not in f"{caught.value} {caught.value.action}"


def test_a_wrong_application_is_refused(world: Services, running: Sandbox) -> None:
    """By the marketplace; its secret is in no message."""
    asked = asked_of(world, running, client_secret="canary")

    with pytest.raises(CredentialsRejected) as caught:
        asked.secret(opened(asked.address))

    assert "canary" not in f"{caught.value} {caught.value.action} {asked!r}"


def test_the_answer_to_another_consent_is_refused(world: Services, running: Sandbox) -> None:
    """Even if it is a good one: its state is another."""
    first, second = asked_of(world, running), asked_of(world, running)

    with pytest.raises(RequestError, match="another one"):
        second.secret(opened(first.address))


def test_another_seller_is_refused(world: Services, amazon: Sandbox) -> None:
    """Amazon says who agreed."""
    asked = asked_of(world, amazon)

    with pytest.raises(RequestError, match="another seller agreed than the connection's seller_id"):
        asked.secret(opened(asked.address, seller="1"))


def test_the_addresses_are_the_marketplaces_own(world: Services, ebay: Sandbox, amazon: Sandbox) -> None:
    """Without a sandbox they lead to the documented pages, by region and marketplace."""
    found = {}
    for running in (ebay, amazon):
        name = running.marketplace
        for places in (["A1F83G8C2ARO7P"], ["AE08WJ6YKNBMC"]):
            given = {**SETTINGS[name], **({"marketplace_ids": places} if name == "amazon" else {})}
            drafted = connections.drafted(
                world,
                "x",
                organization_id="o",
                marketplace=name,
                name="x",
                credential="",
                settings=given,
            )
            application = Application("app id", "cert", "registered", is_listed=places[0] == "A1F83G8C2ARO7P")
            address = consenting.ask_for_consent(world, "x", drafted, application).address
            parts = urlsplit(address)
            found[name, places[0]] = (f"{parts.netloc}{parts.path}", parse_qs(parts.query))

    page, query = found["ebay", "A1F83G8C2ARO7P"]
    assert page == "auth.ebay.com/oauth2/authorize"
    scopes = " ".join(scope.name for scope in REGISTRY["ebay"].access.scopes)
    assert {**query, "state": []} == {
        "client_id": ["app id"],
        "redirect_uri": ["registered"],
        "response_type": ["code"],
        "scope": [scopes],
        "state": [],
        "prompt": ["login"],
    }
    page, query = found["amazon", "A1F83G8C2ARO7P"]
    assert page == "sellercentral-europe.amazon.com/apps/authorize/consent"
    assert (query["application_id"], "version" in query) == (["registered"], False)
    page, query = found["amazon", "AE08WJ6YKNBMC"]
    assert page == "sellercentral.amazon.co.za/apps/authorize/consent"
    assert query["version"] == ["beta"]


def options(running: Sandbox, folder: Path, *more: str) -> list[str]:
    """The command for a connection of this sandbox, with the application's keys in a file."""
    name = running.marketplace
    keys = {key: CREDENTIALS[name][key] for key in ("client_id", "client_secret")}
    file = folder / "keys.json"
    file.write_text(json.dumps(keys))
    return [
        *("connections", "authorize", "my-shop", "--secret-file", str(file)),
        *(OPTION[name], REGISTRATION[name], *more),
    ]


def settings(running: Sandbox) -> list[str]:
    """The options of a new connection."""
    given = {**SETTINGS[running.marketplace], "base_url": running.url}
    words = ["--new", "--marketplace", running.marketplace, "--organization", "my-company"]
    for name, value in given.items():
        words += ["--setting", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return words


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A person who opens the printed address and pastes the one arrived at; all that was said."""
    said: list[str] = []
    monkeypatch.setattr(ask, "say", said.append)

    def paste(*_: object, **__: object) -> str:
        address = next(line.strip() for line in reversed(said) if "http" in line)
        return opened(address)

    monkeypatch.setattr(ask, "text", paste)
    return said


def test_a_new_seller_consents(
    world: Services,
    running: Sandbox,
    folder: Path,
    browser: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Consent, check, secret, connection: one command; then a second consent renews the token."""
    assert main(options(running, folder, *settings(running))) == 0

    told = capsys.readouterr()
    assert f"the marketplace answers: {running.marketplace}" in told.out
    file = folder / "store-secrets" / "my-shop.json"
    assert json.loads(file.read_text()) == CREDENTIALS[running.marketplace]
    file.write_text(json.dumps({**CREDENTIALS[running.marketplace], "refresh_token": "gone"}))
    words = ["connections", "authorize", "my-shop", *options(running, folder)[5:]]
    assert main(words) == 0
    assert json.loads(file.read_text()) == CREDENTIALS[running.marketplace]
    audits = world.store.query(Query("audit", limit=9))
    assert sorted(entry.data["action"] for entry in audits) == ["add", "set"]
    output = f"{told}{capsys.readouterr()}{browser}{[entry.data for entry in audits]}"
    for field in ("client_secret", "refresh_token"):
        assert CREDENTIALS[running.marketplace][field] not in output


def test_an_id_that_is_taken_asks_nobody(
    world: Services, ebay: Sandbox, folder: Path, browser: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The seller does not sign in for nothing."""
    assert main(options(ebay, folder, *settings(ebay))) == 0
    browser.clear()

    assert main(options(ebay, folder, *settings(ebay))) == 1

    assert "exists already" in capsys.readouterr().err
    assert browser == []


@pytest.mark.processes
def test_a_person_gives_the_keys_hidden(ebay: Sandbox, folder: Path) -> None:
    """Client id shown, client secret not; a pasted address of another consent is refused."""
    words = ["connections", "authorize", "my-shop", *settings(ebay)]
    answers = [
        ("client_id: App ID", "sandbox-app\n"),
        ("client_secret: Cert ID", "canary-secret\n"),
        ("The application's RuName", "sandbox-runame\n"),
        ("within five minutes", "https://x.example/?state=no&code=no\n"),
    ]

    code, shown = typed(words, answers)

    assert code == 1, shown
    assert "its `state` is another one" in shown
    assert "sandbox-app" in shown
    assert "canary" not in shown
    assert not (folder / "store-secrets").exists()


@pytest.mark.parametrize("marketplace", ["shopify", "takealot", "woocommerce"])
def test_the_others_are_told_where_a_key_is_made(
    marketplace: str, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Step by step, with the scopes, the lifetime and the command that follows; nothing is stored."""
    assert main(["connections", "authorize", "x", "--new", "--marketplace", marketplace]) == 0

    told = capsys.readouterr().out
    access = REGISTRY[marketplace].access
    for number, step in enumerate(access.menu_path, 1):
        assert f"{number}. " in told
        assert step in told
    assert all(scope.name in told for scope in access.scopes)
    assert access.lifetime in told
    assert f"marketplace-sync connections add x --marketplace {marketplace}" in told
    assert store.query(Query("connections", limit=1)) == []


def test_an_unknown_connection_needs_new(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --new it must be there."""
    assert main(["connections", "authorize", "nobody"]) == 1
    assert "no connection 'nobody'" in capsys.readouterr().err
    assert main(["connections", "authorize", "nobody", "--new"]) == 1
    assert "missing: --marketplace" in capsys.readouterr().err
