"""Obstacles between a connector and a WooCommerce shop: proxies, plugins, slow hosts, wrong addresses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from local.sandbox.http import Reply
from orchestrator.errors import (
    ConnectionInvalid,
    CredentialsRejected,
    MarketplaceError,
    MarketplaceUnavailable,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.registry import REGISTRY
from tests.marketplaces.test_completeness import assert_holds
from tests.marketplaces.woocommerce.test_woocommerce import LATER, ORDER, listed, scripted_session, session_at
from tests.support.scripted import Bench, Sandbox, Secrets, read, sandbox, scripted, told

WOO = REGISTRY["woocommerce"]
CURRENCY = Reply.json(200, {"code": "ZAR", "name": "Rand", "symbol": "R"})
PAGE = b"<!DOCTYPE html><html><body><h1>Sorry</h1></body></html>"
NOTICE = b"<br />\n<b>Notice</b>: x[1] in <b>y.php</b> on line <b>2</b><br />\n"


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop that no test of this module changes."""
    with sandbox("woocommerce", orders=130, products=40, accounts=2) as running:
        yield running


def refused(status: int, code: str) -> Reply:
    """WordPress's own error."""
    return Reply.json(status, {"code": code, "message": "No.", "data": {"status": status}})


def html(status: int, **headers: str) -> Reply:
    """A web page of a proxy or firewall in front of the site."""
    return Reply(status, PAGE, "text/html; charset=UTF-8", headers)


@pytest.mark.parametrize("site", ["stripped", "plain", "notices", "slow", "shop/in/a/folder"])
def test_trap_hosts_with_oddities_are_read_whole(shop: Sandbox, site: str) -> None:
    """Dropped headers, plain permalinks, notices before the JSON, large pages that time out, folders."""
    opened = session_at(shop.url, f"https://sandbox-0.example/{site}")
    truth = shop.truth()

    for stream in WOO.streams:
        found = read(WOO, opened, stream)
        assert_holds(told(list(found.records.values())), truth[stream])


def test_trap_a_dropped_authorization_header_is_noticed_once(caplog: pytest.LogCaptureFixture) -> None:
    """The keys are then sent as parameters, for the rest of the session, and are in no log line."""
    caplog.set_level(logging.DEBUG)
    with scripted(refused(401, "woocommerce_rest_cannot_view"), listed(), listed()) as server:
        opened = scripted_session(server)
        read(WOO, opened, "orders", LATER)
    first, *later = server.requests

    assert "authorization" in first.headers
    assert "consumer_key" not in first.query
    for request in later:
        assert "authorization" not in request.headers
        assert request.query["consumer_secret"] == ["cs_sandbox_0"]
    assert "cs_sandbox" not in caplog.text + repr(opened)


def test_keys_that_are_refused_either_way_are_refused() -> None:
    """Two calls, and a line that names the remedy."""
    with scripted(refused(401, "woocommerce_rest_cannot_view")) as server:
        opened = scripted_session(server)
        with pytest.raises(CredentialsRejected) as caught:
            WOO.check(opened)

    assert len(server.requests) == 2
    assert "store keys" in caught.value.action


def test_a_wrong_secret_is_not_sent_as_a_parameter_too() -> None:
    """WordPress saw the header: there is nothing to try again."""
    refusal = refused(401, "woocommerce_rest_authentication_error")
    with scripted(refusal) as server, pytest.raises(CredentialsRejected):
        WOO.check(scripted_session(server))

    assert len(server.requests) == 1


def test_trap_plain_permalinks() -> None:
    """A web page's 404 is answered by asking the other way, and it stays that way."""
    with scripted(html(404), CURRENCY, listed()) as server:
        opened = scripted_session(server)
        assert WOO.check(opened) == "woocommerce: https://sandbox-0.example (ZAR)"
        WOO.streams["orders"].fetch(opened, LATER, None)

    assert [request.path for request in server.requests] == [
        "/wp-json/wc/v3/data/currencies/current",
        "/",
        "/",
    ]
    assert server.requests[2].query["rest_route"] == ["/wc/v3/orders"]


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://www.shop.example/wp-json/wc/v3/orders?secret=1", "https://www.shop.example"),
        ("http://shop.example/a/wp-json/wc/v3/orders", "http://shop.example/a"),
        ("https://user:pw@login.example/path?token=1", "https://login.example"),
        ("/login?next=orders", "another path of this host"),
        ("https://[broken", "no address"),
    ],
)
def test_trap_a_redirect_is_refused_and_says_what_to_put_into_site(location: str, shown: str) -> None:
    """It would carry the keys elsewhere; nothing of it is shown but the site it leads to."""
    with scripted(html(301, Location=location)) as server, pytest.raises(ResponseInvalid) as caught:
        WOO.streams["orders"].fetch(scripted_session(server), LATER, None)

    assert len(server.requests) == 1
    assert caught.value.message == f"woocommerce orders: answered 301 (redirect to {shown})"
    assert "setting site" in caught.value.action


@pytest.mark.parametrize("start", [NOTICE, b"\xef\xbb\xbf", b"\n\n  ", b"\xef\xbb\xbf" + NOTICE + NOTICE])
def test_trap_notices_and_marks_before_the_json(start: bytes) -> None:
    """The JSON behind them is read."""
    page = listed(ORDER)
    page.body = start + page.body
    with scripted(page) as server:
        found = WOO.streams["orders"].fetch(scripted_session(server), LATER, None)

    assert [WOO.streams["orders"].record_id(raw) for raw in found.records] == ["727"]


@pytest.mark.parametrize("body", [PAGE, NOTICE, b"", NOTICE + b'[{"id":1'])
def test_an_answer_without_json_is_no_answer(body: bytes) -> None:
    """An error page with status 200, or one that broke off, is tried again and then reported in one line."""
    with scripted(Reply(200, body, "text/html")) as server, pytest.raises(MarketplaceUnavailable) as caught:
        WOO.check(scripted_session(server))

    assert (
        caught.value.message == "woocommerce currency: answered 200 with a body that is not JSON (text/html)"
    )


def test_trap_a_slow_host_is_asked_for_less() -> None:
    """The page is halved, which the token remembers for another session, and grows with each that comes."""
    failing = [html(504)] * 5
    with scripted(*failing, *failing, listed(ORDER), listed()) as server:
        first = WOO.streams["orders"].fetch(scripted_session(server), LATER, None)
        found = read(WOO, scripted_session(server), "orders", LATER, first.next_token)

    assert (list(first.records), first.listed) == ([], 0)
    assert [request.query["per_page"][0] for request in server.requests[::5]] == ["100", "50", "25"]
    assert server.requests[-1].query["per_page"] == ["30"]
    assert found.pages[-1].total == 1


def test_a_host_that_is_down_is_not_asked_for_ever() -> None:
    """Bounded, whatever the page's size: then the stream fails, and says why."""
    with scripted(html(503)) as server, pytest.raises(MarketplaceUnavailable, match="answered 503"):
        read(WOO, scripted_session(server), "orders", LATER)

    sizes = [request.query["per_page"][0] for request in server.requests]
    assert sorted(set(sizes), key=int, reverse=True) == ["100", "50", "25", "12", "6", "5"]
    assert len(sizes) <= 30


@pytest.mark.parametrize(
    ("reply", "kind", "action"),
    [
        (refused(401, "woocommerce_rest_authentication_error"), CredentialsRejected, "credential"),
        (refused(403, "woocommerce_rest_cannot_view"), CredentialsRejected, "WordPress user"),
        (refused(403, "rest_forbidden"), PermissionDenied, "permission"),
        (html(401), CredentialsRejected, "credential"),
        (html(403), MarketplaceUnavailable, ""),
        (html(404), RequestRejected, "setting site"),
        (refused(404, "rest_no_route"), RequestRejected, "activate WooCommerce"),
        (refused(404, "Bad Code!"), RequestRejected, ""),
        (html(500), MarketplaceUnavailable, ""),
        (refused(500, "internal_server_error"), MarketplaceUnavailable, ""),
        (html(502), MarketplaceUnavailable, ""),
    ],
)
def test_every_refusal_has_its_kind_and_says_what_to_do(
    reply: Reply, kind: type[MarketplaceError], action: str
) -> None:
    """WordPress's own errors, and those of proxies and firewalls in front of it."""
    with scripted(reply) as server, pytest.raises(kind) as caught:
        WOO.check(scripted_session(server))

    assert type(caught.value).kind == kind.kind
    assert action in caught.value.action
    assert caught.value.message.startswith("woocommerce currency: answered ")


def test_a_firewall_that_says_wait_is_waited_for() -> None:
    """Its 429 is a web page."""
    bench = Bench()
    with scripted(html(429, **{"Retry-After": "7"}), CURRENCY) as server:
        assert WOO.check(scripted_session(server, bench))

    assert bench.waits[0] == pytest.approx(7, abs=1)
    with scripted(html(429, **{"Retry-After": "600"})) as server, pytest.raises(RateLimited) as caught:
        WOO.check(scripted_session(server))
    assert caught.value.wait_s >= 600


@pytest.mark.parametrize(
    "site",
    [
        "http://shop.example",
        "shop.example",
        "https://",
        "https://user:pw@shop.example",
        "https://shop.example?a=1",
        "https://shop.example#a",
        "https://shop.example/wp-json/wc/v3",
        "https://shop.example:port",
        "https://šhop.example",
        7,
    ],
)
def test_what_is_not_a_sites_address_over_https_is_refused(site: Any) -> None:
    """One line that names the setting; the keys go nowhere."""
    opening = Bench().opening("woocommerce", {"site": site}, Secrets("{}"))
    with pytest.raises(ConnectionInvalid, match=r"settings.*site|settings.*Port"):
        WOO.open(opening)


@pytest.mark.parametrize(
    "content",
    [
        '{"consumer_key":"ck_1"}',
        '{"consumer_key":"x","consumer_secret":"cs_1"}',
        '{"consumer_key":"ck_1","consumer_secret":"ck_1"}',
        '{"consumer_key":"ck_1\\n","consumer_secret":"cs_1"}',
        '{"consumer_key":"ck_a:b","consumer_secret":"cs_1"}',
    ],
)
def test_what_woocommerce_does_not_give_out_is_no_credential(content: str) -> None:
    """The message does not show it."""
    opening = Bench().opening("woocommerce", {"site": "https://shop.example"}, Secrets(content))
    with pytest.raises(ConnectionInvalid) as caught:
        WOO.open(opening)

    assert "ck_1" not in str(caught.value)
    assert "ck_a" not in str(caught.value)


def test_a_private_address_is_refused_outside_development() -> None:
    """Whatever the site is called, the keys do not go into one's own network."""
    secrets = Secrets('{"consumer_key":"ck_1","consumer_secret":"cs_1"}')
    with scripted(CURRENCY) as server:
        port = server.url.rpartition(":")[2]
        site = {"site": f"https://localhost:{port}"}
        opened = WOO.open(Bench().opening("woocommerce", site, secrets, development=False))
        with pytest.raises(RequestRejected, match="not public"):
            WOO.check(opened)

    assert server.requests == []
