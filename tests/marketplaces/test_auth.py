"""Credentials: the three kinds of Shopify token, rotation, and wrong configurations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.errors import ConnectionInvalid, CredentialsRejected, SecretUnavailable
from orchestrator.marketplaces.registry import REGISTRY
from tests.support.scripted import CREDENTIAL, CREDENTIALS, Bench, Sandbox, Secrets, sandbox, scripted

CLIENT = {"client_id": "sandbox-client-0", "client_secret": "shpss_sandbox_0"}
ROTATING = {**CLIENT, "refresh_token": "shprt_sandbox_0"}


@pytest.fixture
def shopify() -> Iterator[Sandbox]:
    """A small Shopify."""
    with sandbox("shopify", orders=3, products=2) as running:
        yield running


def content(**fields: str) -> str:
    """A secret's content."""
    return msgspec.json.encode(fields).decode()


@pytest.mark.parametrize(
    "credential", [CREDENTIALS["shopify"], CLIENT, ROTATING], ids=["fixed", "client", "rotating"]
)
def test_each_kind_of_shopify_credential_opens_the_shop(shopify: Sandbox, credential: dict[str, str]) -> None:
    """A lasting token, client credentials, and a refresh token that rotates."""
    session = shopify.session(credential=credential)

    assert shopify.connector.check(session) == "shopify: Sandbox 0 (sandbox-0.myshopify.com)"


def test_a_rotated_pair_is_stored_before_it_is_used(shopify: Sandbox) -> None:
    """The new version of the secret is there before the first call with the new token."""
    secrets = Secrets(content(**ROTATING))
    calls_at_storing: list[int] = []
    calls_at_claiming: list[int] = []

    def calls() -> int:
        made: int = shopify.control("GET", "stats")["calls"]
        return made

    class Watched(Secrets):
        def add_version(self, reference: str, content: str) -> None:
            calls_at_storing.append(calls())
            super().add_version(reference, content)

    secrets = Watched(content(**ROTATING))
    bench = Bench(claim=lambda: calls_at_claiming.append(calls()))
    session = shopify.session(bench, secrets=secrets)
    shopify.connector.check(session)

    assert (calls_at_claiming, calls_at_storing) == ([0], [1])
    stored = msgspec.json.decode(secrets.versions[CREDENTIAL][1])
    assert {name: stored[name] for name in ROTATING} == {**ROTATING, "refresh_token": "shprt_issued_1"}
    assert stored["access_token"] == "shpat_issued_1"


def test_a_pair_that_cannot_be_stored_is_not_used(shopify: Sandbox) -> None:
    """Otherwise a crash would lock the connection out."""

    class Broken(Secrets):
        def add_version(self, reference: str, content: str) -> None:
            raise SecretUnavailable("no answer")

    session = shopify.session(secrets=Broken(content(**ROTATING)))
    with pytest.raises(SecretUnavailable):
        shopify.connector.check(session)

    assert list(shopify.control("GET", "stats")["by_path"]) == ["/admin/oauth/access_token"]


def test_a_stored_pair_is_used_until_it_expires(shopify: Sandbox) -> None:
    """The next invocation makes no exchange; after an hour, one is made."""
    secrets = Secrets(content(**ROTATING))
    shopify.connector.check(shopify.session(secrets=secrets))
    bench = Bench()
    session = shopify.session(bench, secrets=secrets)

    shopify.connector.check(session)
    assert len(secrets.versions[CREDENTIAL]) == 2
    bench.clock.sleep(3500)
    shopify.connector.check(session)
    assert len(secrets.versions[CREDENTIAL]) == 3


def test_a_dead_access_token_is_refreshed_once_after_a_401(shopify: Sandbox) -> None:
    """The call then succeeds, and the exchange is counted among the calls."""
    stale = {**ROTATING, "access_token": "shpat_dead", "expires_at": "2099-01-01T00:00:00Z"}
    session = shopify.session(credential=stale)

    assert "Sandbox 0" in shopify.connector.check(session)
    assert session.client.calls == 3


def test_an_invalid_grant_reads_the_latest_and_the_previous_version_each_once(shopify: Sandbox) -> None:
    """An older or crashed invocation may have rotated already: its version is found and used."""
    secrets = Secrets(content(**ROTATING | {"refresh_token": "dead-1"}))
    session = shopify.session(secrets=secrets)
    secrets.versions[CREDENTIAL] += [content(**ROTATING), content(**ROTATING | {"refresh_token": "dead-2"})]

    assert "Sandbox 0" in shopify.connector.check(session)
    assert shopify.control("GET", "stats")["by_path"]["/admin/oauth/access_token"]["calls"] == 3


def test_when_every_version_is_refused_the_credentials_are(shopify: Sandbox) -> None:
    """Each known refresh token was tried once, and none is in the error."""
    secrets = Secrets(
        content(**ROTATING | {"refresh_token": "dead-0"}), content(**ROTATING | {"refresh_token": "dead-1"})
    )
    with pytest.raises(CredentialsRejected) as raised:
        shopify.connector.check(shopify.session(secrets=secrets))

    assert "dead" not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"
    assert shopify.control("GET", "stats")["calls"] == 2


def test_a_version_without_a_refresh_token_counts_as_refused(shopify: Sandbox) -> None:
    """Somebody stored another kind of credential meanwhile: this session ends, the next one uses it."""
    secrets = Secrets(content(**ROTATING | {"refresh_token": "dead"}))
    session = shopify.session(secrets=secrets)
    secrets.versions[CREDENTIAL] = [content(access_token="other")]

    with pytest.raises(CredentialsRejected, match="no refresh token"):
        shopify.connector.check(session)


@pytest.mark.parametrize("marketplace", sorted(REGISTRY))
def test_a_wrong_key_is_rejected_after_one_call(marketplace: str) -> None:
    """A fixed key has no refresh: the first 401 says it all."""
    with sandbox(marketplace, orders=1, products=1) as running:
        wrong = {name: f"{value}x" for name, value in CREDENTIALS[marketplace].items()}
        session = running.session(credential=wrong)
        with pytest.raises(CredentialsRejected):
            running.connector.check(session)

    # WooCommerce cannot tell a key it does not know from a header that was dropped on the way.
    assert session.client.calls == (2 if marketplace == "woocommerce" else 1)


def test_a_token_refused_again_after_its_refresh_is_rejected() -> None:
    """One refresh, not a loop of them."""
    refused = Reply.json(401, {})
    granted = Reply.json(200, {"access_token": "a", "expires_in": 86_399})
    with scripted(granted, refused, granted, refused) as server:
        session = REGISTRY["shopify"].open(
            Bench().opening(
                "shopify",
                {"shop": "sandbox-0.myshopify.com", "base_url": server.url},
                Secrets(content(**CLIENT)),
            )
        )
        with pytest.raises(CredentialsRejected):
            REGISTRY["shopify"].check(session)

    assert len(server.requests) == 4


GOOD_SETTINGS: dict[str, dict[str, Any]] = {
    "amazon": {"region": "fe", "marketplace_ids": ["A1VC38T7YXB528"], "seller_id": "A1SELLER"},
    "ebay": {"marketplace_id": "EBAY_DE"},
    "shopify": {"shop": "a-b.myshopify.com"},
    "takealot": {},
    "woocommerce": {"site": "https://shop.example/path"},
}


@pytest.mark.parametrize(
    ("marketplace", "settings", "named"),
    [
        ("shopify", {}, "shop"),
        ("shopify", {"shop": 5}, "shop"),
        ("shopify", {"shop": "evil.example.com"}, "name.myshopify.com"),
        ("shopify", {"shop": "a.myshopify.com.evil.com"}, "name.myshopify.com"),
        ("shopify", {"shop": "evil.com/x.myshopify.com"}, "name.myshopify.com"),
        ("shopify", {"shop": "user@x.myshopify.com"}, "name.myshopify.com"),
        ("shopify", {"shop": ".myshopify.com"}, "name.myshopify.com"),
        ("shopify", {"shop": "a.myshopify.com", "shpo": "b"}, "shpo"),
        ("shopify", {"shop": "a.myshopify.com", "base_url": "http://h/path"}, "base_url"),
        ("shopify", {"shop": "a.myshopify.com", "base_url": "ftp://h"}, "base_url"),
        ("shopify", {"shop": "a.myshopify.com", "base_url": "http://h:port"}, "base_url"),
        ("shopify", {"shop": "a.myshopify.com", "base_url": "http://u:p@h"}, "base_url"),
        ("ebay", {}, "marketplace_id"),
        ("ebay", {"marketplace_id": "EBAY_ZZ"}, "marketplace_id"),
        ("takealot", {"api": "v9"}, "api"),
    ],
)
def test_wrong_settings_name_connection_and_field(
    marketplace: str, settings: dict[str, Any], named: str
) -> None:
    """One line that an operator can act on, before any call."""
    secrets = Secrets(content(**CREDENTIALS[marketplace]))
    with pytest.raises(ConnectionInvalid) as raised:
        REGISTRY[marketplace].open(Bench().opening(marketplace, settings, secrets))

    assert raised.value.message.startswith("connections/c-1: settings")
    assert named in raised.value.message
    assert raised.value.action


@pytest.mark.parametrize("marketplace", sorted(REGISTRY))
def test_base_url_is_refused_outside_development(marketplace: str) -> None:
    """A production connection cannot be pointed elsewhere."""
    settings = GOOD_SETTINGS[marketplace] | {"base_url": "http://127.0.0.1:1"}
    secrets = Secrets(content(**CREDENTIALS[marketplace]))
    with pytest.raises(ConnectionInvalid, match="ENVIRONMENT=development"):
        REGISTRY[marketplace].open(Bench().opening(marketplace, settings, secrets, development=False))


@pytest.mark.parametrize(
    ("marketplace", "secret"),
    [
        ("shopify", "shpat_plain-SECRET"),
        ("shopify", "{}"),
        ("shopify", '{"access_token": {"SECRET": 1}}'),
        ("shopify", '{"client_id": "SECRET"}'),
        ("shopify", '{"access_token": "SECRET", "refresh_token": "SECRET"}'),
        ("shopify", '{"access_token": "SECRET", "expires_at": "SECRET"}'),
        ("amazon", '{"client_id": "SECRET", "client_secret": "SECRET"}'),
        ("amazon", '{"client_id": "a", "client_secret": "b", "refresh_token": ["SECRET"]}'),
        ("ebay", '{"client_id": "SECRET", "client_secret": "SECRET"}'),
        ("ebay", '{"client_id": "a", "client_secret": "b", "refresh_token": ["SECRET"]}'),
        ("takealot", "{}"),
        ("takealot", '{"api_key": ["SECRET"]}'),
        ("takealot", '{"api_key": "SECRET\\nX: y"}'),
        ("takealot", "SECRET"),
    ],
)
def test_a_malformed_secret_is_told_without_showing_it(marketplace: str, secret: str) -> None:
    """The message names the connection and the expected form; the content is nowhere."""
    with pytest.raises(ConnectionInvalid) as raised:
        REGISTRY[marketplace].open(Bench().opening(marketplace, GOOD_SETTINGS[marketplace], Secrets(secret)))

    assert raised.value.message.startswith("connections/c-1: the content of its credential")
    assert "SECRET" not in f"{raised.value!r} {raised.value.action} {raised.value.__cause__!r}"
