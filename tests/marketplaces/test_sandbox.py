"""The sandboxes themselves: reproducible data, changes, faults, limits, and real data."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import urllib3

from local.sandbox import __main__ as command
from local.sandbox.catalogue import mix
from local.sandbox.generated import Generated
from orchestrator.errors import MarketplaceError, MarketplaceUnavailable, PageTokenExpired, RateLimited
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import Listing, Window
from tests.marketplaces.test_completeness import assert_holds
from tests.support.project import ROOT
from tests.support.scripted import EVERYTHING, UNTIL, Bench, Sandbox, read, sandbox, told

ALL = sorted(REGISTRY)
#: A folder that SANDBOX_DATA names has to be there.
REAL_DATA = Path(os.environ.get("SANDBOX_DATA") or ROOT.parent / "shared" / "data")
AT = (UNTIL + timedelta(hours=1)).isoformat()
LATER = Window(EVERYTHING.since, UNTIL + timedelta(hours=2))
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def bytes_of(marketplace: str, **arguments: Any) -> bytes:
    """Every raw record of account 0."""
    with sandbox(marketplace, orders=120, products=30, **arguments) as running:
        opened = running.session()
        pages = [
            page
            for stream in running.connector.streams
            for page in read(running.connector, opened, stream).pages
        ]
    return b"\n".join(raw for page in pages for raw in page.records)


@pytest.mark.parametrize("marketplace", ALL)
def test_the_same_arguments_give_the_same_bytes(marketplace: str) -> None:
    """Another seed gives other bytes."""
    assert bytes_of(marketplace) == bytes_of(marketplace)
    assert bytes_of(marketplace, seed=2) != bytes_of(marketplace)


def test_generated_data_is_the_same_on_every_machine() -> None:
    """These values must never change: stored runs and fixtures rely on them."""
    assert mix(1, 2) == 6_903_830_122_064_239_597
    source = Generated(1, 0, sales=1000, items=50, until=int(UNTIL.timestamp()))
    sale, item = source.sale(500), source.item(7)
    assert (sale.number, sale.created, sale.updated) == ("#1501", 1_763_877_600, 1_764_205_366)
    assert [(line.sku, line.quantity) for line in sale.lines] == [
        ("SKU-00014", 3),
        ("SKU-00045", 3),
        ("SKU-00003", 3),
    ]
    assert (item.title, item.price, item.barcode) == ("Rooibos 🌿, red", 56_900, "6010820690408")


def test_generated_data_has_the_hard_cases_of_syncing() -> None:
    """Equal times, cancellations, odd SKUs, missing barcodes, other scripts, many lines."""
    source = Generated(1, 0, sales=2000, items=200, until=int(UNTIL.timestamp()))
    sales = [source.sale(index) for index in range(source.sales)]
    items = [source.item(index) for index in range(source.items)]

    assert len({sale.created for sale in sales}) < len(sales)
    updates = [sale.updated for sale in sales]
    assert max(updates.count(each) for each in set(updates)) > 1
    assert {sale.state for sale in sales} > {"cancelled", "refunded", "open", "shipped"}
    assert max(len(sale.lines) for sale in sales) > 5
    assert any(line.item is None for sale in sales for line in sale.lines)
    assert any(item.barcode is None for item in items)
    assert any(not item.title.isascii() for item in items)
    assert any(item.sku.startswith(" ") for item in items)
    assert max(updates) <= UNTIL.timestamp()
    assert min(updates) >= (UNTIL - timedelta(days=731)).timestamp()


@pytest.mark.parametrize("marketplace", ALL)
def test_changes_change_exactly_what_they_say(marketplace: str) -> None:
    """One order, price and stock level change, two orders come, one product goes; all else stays."""
    with sandbox(marketplace, orders=200, products=40) as running:
        before = running.truth()
        changed = running.control(
            "POST",
            "change",
            {"orders": 1, "prices": 1, "stock": 1, "new_orders": 2, "vanish": 1, "at": AT},
        )
        after = running.truth()
        opened = running.session()
        found = {
            stream: told(list(read(running.connector, opened, stream, LATER, whole=True).records.values()))
            for stream in running.connector.streams
        }

    for stream in after:
        assert_holds(found[stream], after[stream])
    differing = {
        stream: {each for each, held in after[stream].items() if before[stream].get(each) != held}
        for stream in after
    }
    assert differing["orders"] == {*changed["orders"], *changed["new_orders"]}
    assert differing["products"] == set(changed["prices"]) - set(changed["vanish"])
    assert {each for each in changed["stock"] if each in after["inventory"]} == differing["inventory"]
    assert before["products"].keys() - after["products"].keys() == set(changed["vanish"])


@pytest.mark.parametrize("marketplace", ALL)
def test_an_incremental_window_after_a_change_holds_only_the_changes(marketplace: str) -> None:
    """If a marketplace filters by modification time, the next window returns only the changes."""
    with sandbox(marketplace, orders=200, products=40) as running:
        changed = running.control(
            "POST", "change", {"orders": 2, "prices": 1, "stock": 1, "new_orders": 1, "at": AT}
        )
        window = Window(UNTIL + timedelta(minutes=1), UNTIL + timedelta(hours=2))
        opened = running.session()
        for name, stream in running.connector.streams.items():
            found = read(running.connector, opened, name, window).records
            if stream.listing is Listing.INCREMENTAL:
                named = {"orders": ["orders", "new_orders"], "products": ["prices"], "inventory": ["stock"]}[
                    name
                ]
                assert found.keys() == {each for kind in named for each in changed[kind]}


@pytest.mark.parametrize("marketplace", ALL)
@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_reading_resumes_from_every_durable_page_token(marketplace: str, stream: str) -> None:
    """A new session that starts at a durable token reads exactly the rest."""
    with sandbox(marketplace, orders=250, products=260 if stream == "products" else 70) as running:
        if not running.connector.streams[stream].durable_token:
            assert running.connector.streams[stream].listing is Listing.SNAPSHOT
            return
        whole = read(running.connector, running.session(), stream)
        assert len(whole.tokens) > 1
        for place, token in enumerate(whole.tokens):
            rest = read(running.connector, running.session(), stream, token=token)
            assert [page.records for page in rest.pages] == [page.records for page in whole.pages[place:]]


@pytest.mark.parametrize("marketplace", ALL)
@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 500, "html": True}, {"status": 429, "retry_after": "1"}]
)
def test_nothing_is_lost_while_every_third_call_fails(marketplace: str, fault: dict[str, Any]) -> None:
    """The request loop survives faults that pass."""
    bench = Bench()
    with sandbox(marketplace, orders=150, products=30) as running:
        running.control("POST", "faults", {"every": 3, **fault})
        opened = running.session(bench)
        found = {name: read(running.connector, opened, name).records for name in running.connector.streams}
        running.control("DELETE", "faults")
        truth = running.truth()

    assert {name: records.keys() for name, records in found.items()} == {
        name: held.keys() for name, held in truth.items()
    }
    assert bench.clock.slept


@pytest.mark.parametrize("marketplace", ALL)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 503}, MarketplaceUnavailable),
        ({"status": 403, "html": True}, MarketplaceUnavailable),
        ({"status": 429}, RateLimited),
        ({"status": 429, "retry_after": "600"}, RateLimited),
    ],
)
def test_a_permanent_fault_raises_its_error(
    marketplace: str, fault: dict[str, Any], kind: type[MarketplaceError]
) -> None:
    """After a bounded number of attempts, the stream fails with the fault's error."""
    with sandbox(marketplace, orders=5, products=5) as running:
        running.control("POST", "faults", fault)
        with pytest.raises(kind):
            running.connector.check(running.session())


@pytest.mark.parametrize("marketplace", ALL)
@pytest.mark.parametrize("stream", ["orders", "products", "inventory"])
def test_a_malformed_record_among_good_ones_is_one_reject(marketplace: str, stream: str) -> None:
    """The page's other records are read."""
    with sandbox(marketplace, orders=100, products=30) as running:
        opened = running.session()
        # So that the fault does not hit the token exchange, if there is one.
        running.connector.check(opened)
        running.control("POST", "faults", {"kind": "malformed", "times": 1})
        found = read(running.connector, opened, stream)
        truth = running.truth()[stream]

    assert len(found.rejects) == 1
    assert found.records.keys() == truth.keys()


def test_an_expired_page_token_raises_its_error() -> None:
    """The error tells the engine to restart the window."""
    with sandbox("shopify", orders=100, products=30) as running:
        opened = running.session()
        spec = running.connector.streams["orders"]
        token = spec.fetch(opened, EVERYTHING, None).next_token
        running.control("POST", "faults", {"kind": "expired_token"})
        with pytest.raises(PageTokenExpired):
            spec.fetch(opened, EVERYTHING, token)


def test_late_rows_stay_hidden_until_they_are_indexed() -> None:
    """A change of a moment ago is not listed yet: look-back and age exist for this."""
    with sandbox("shopify", orders=20, products=5) as running:
        running.control("POST", "faults", {"kind": "late", "seconds": 3600})
        changed = running.control("POST", "change", {"orders": 1})["orders"]
        window = Window(UNTIL, datetime.now(UTC) + timedelta(days=1))
        assert not read(running.connector, running.session(), "orders", window).records
        running.control("DELETE", "faults")
        assert list(read(running.connector, running.session(), "orders", window).records) == changed


def test_slow_answers_are_still_answers() -> None:
    """An answer within the timeout is accepted."""
    with sandbox("takealot", orders=5, products=5) as running:
        running.control("POST", "faults", {"kind": "slow", "seconds": 0.05})
        assert running.connector.check(running.session())


def test_calls_and_bytes_are_counted_by_path() -> None:
    """The connector's count of calls is the sandbox's."""
    with sandbox("takealot", orders=50, products=5) as running:
        opened = running.session()
        read(running.connector, opened, "orders")
        stats = running.control("GET", "stats")

    assert stats["calls"] == opened.client.calls == stats["by_path"]["/v1/sales"]["calls"]
    assert stats["bytes"] == opened.client.received_bytes


def raw(running: Sandbox, method: str, path: str, **given: Any) -> urllib3.BaseHTTPResponse:
    """A call without a connector."""
    return urllib3.request(method, f"{running.url}{path}", timeout=60, retries=False, **given)


def test_the_sandbox_refuses_calls_as_shopify_does() -> None:
    """Unknown fields, pages that are too large, queries that cost too much, wrong tokens, other paths."""
    with sandbox("shopify", orders=5, products=5) as running:
        path, key = "/admin/api/2026-10/graphql.json", {"X-Shopify-Access-Token": "shpat_sandbox_0"}

        def errors(query: str) -> str:
            answer = raw(running, "POST", path, json={"query": query}, headers=key)
            return str(msgspec.json.decode(answer.data).get("errors"))

        assert "undefinedField" in errors("{orders(first:1){nodes{nope}}}")
        assert "first takes 1 to 250" in errors("{orders(first:251){nodes{id}}}")
        assert "first takes 1 to 250" in errors("{orders{nodes{id}}}")
        assert "MAX_COST_EXCEEDED" in errors("{orders(first:250){nodes{lineItems(first:5){nodes{id}}}}}")
        assert "Variable" in errors("query($q:String!){orders(first:1,query:$q){nodes{id}}}")
        assert errors("{orders(first:1){nodes{id}}}") == "None"
        assert raw(running, "POST", path, json={"query": "{"}, headers=key).status == 400
        assert raw(running, "POST", path, body=b"{", headers=key).status == 400
        assert raw(running, "POST", path, json={"query": "{shop{name}}"}).status == 401
        assert raw(running, "GET", path, headers=key).status == 404
        old = raw(
            running, "POST", "/admin/api/2024-01/graphql.json", json={"query": "{shop{name}}"}, headers=key
        )
        assert (old.status, old.headers["X-Shopify-API-Version"]) == (200, "2026-10")
        for grant in ({}, {"client_id": "sandbox-client-0", "client_secret": "shpss_sandbox_0"}):
            assert raw(running, "POST", "/admin/oauth/access_token", json=grant).status == 400


def test_the_sandbox_refuses_calls_as_takealot_does() -> None:
    """Wrong keys, limits, dates and tokens; a token is accepted alone or with its own filters."""
    with sandbox("takealot", orders=3000, products=5) as running:
        key = {"X-API-Key": "sandbox-key-0"}

        def status(path: str, headers: dict[str, str] = key) -> int:
            return raw(running, "GET", path, headers=headers).status

        assert status("/v1/seller", {}) == 401
        assert status("/v1/seller", {"X-API-Key": "sandbox-key-9"}) == 401
        assert status("/v1/offers?limit=1001") == 400
        assert status("/v1/sales?order_date__gte=01-11-2026") == 400
        assert status("/v1/offers?continuation_token=junk") == 400
        assert status("/v1/returns") == 404
        filters = "order_date__gte=2026-01-01&order_date__lte=2026-12-31"
        answer = raw(running, "GET", f"/v1/sales?{filters}", headers=key)
        first = msgspec.json.decode(answer.data)
        token = f"continuation_token={first['continuation_token']}"
        assert len(first["items"]) == 100
        alone, along = (
            raw(running, "GET", f"/v1/sales?{each}", headers=key).data
            for each in (token, f"{token}&{filters}")
        )
        assert alone == along
        assert status(f"/v1/sales?{token}&order_date__gte=2026-02-01") == 400


def test_a_sandbox_refuses_unknown_calls() -> None:
    """It also refuses invalid faults and changes."""
    with sandbox("takealot", orders=1, products=1) as running:
        assert raw(running, "GET", "/_sandbox/nope").status == 404
        for path, body in (("faults", {"kind": "nope"}), ("change", {"order": 1}), ("change", [])):
            assert raw(running, "POST", f"/_sandbox/{path}", json=body).status == 400
        assert raw(running, "GET", "/_sandbox/truth?account=9").status == 400


@pytest.mark.processes
def test_the_command_serves_until_it_is_stopped() -> None:
    """It prints its address as soon as it listens."""
    arguments = [
        "takealot",
        "--port",
        "0",
        "--orders",
        "3",
        "--products",
        "2",
        "--until",
        "2026-11-23T06:00:00Z",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "local.sandbox", *arguments],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().decode().split()[-1]
            answer = urllib3.request(
                "GET", f"{url}/v1/offers", headers={"X-API-Key": "sandbox-key-1"}, timeout=10
            )
            assert len(msgspec.json.decode(answer.data)["items"]) == 2
        finally:
            process.terminate()


@pytest.mark.parametrize("files", [{}, {"a.csv": "InvoiceNo,Other\n1,2\n"}])
def test_a_folder_without_such_data_is_refused_in_one_line(
    tmp_path: Path, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with status 2 and names the missing argument."""
    for name, content in files.items():
        (tmp_path / name).write_text(content)

    assert command.main(["shopify", "--port", "0", "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("sandbox shopify: ")
