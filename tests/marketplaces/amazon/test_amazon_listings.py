"""Searching Amazon's listings: the ceiling, the report, and the way without a report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from local.sandbox.amazon import listings as sandbox_listings
from local.sandbox.amazon.reports import Reports
from local.sandbox.arguments import Arguments
from local.sandbox.http import Reply, Request
from local.sandbox.registry import serve
from orchestrator.errors import (
    PageTokenExpired,
    RateLimited,
    ResponseInvalid,
)
from orchestrator.marketplaces.amazon import listing_search
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession, Window
from tests.marketplaces.amazon.answers import TOKEN, document, session
from tests.support.scripted import (
    CREDENTIALS,
    EVERYTHING,
    SETTINGS,
    UNTIL,
    Bench,
    Sandbox,
    Secrets,
    read,
    running,
    scripted,
)

AMAZON = REGISTRY["amazon"]
PRODUCTS, INVENTORY = AMAZON.streams["products"], AMAZON.streams["inventory"]
#: Replaces Amazon's ceiling of 1,000, so that little data exceeds it.
CEILING = 60
#: Of 220 listings, 176 are in the first marketplace and 44 in the second.
MANY = 220
EMPTY = Reply.json(200, {"items": [], "numberOfResults": 0})


@pytest.fixture
def ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amazon lets page through less, and so the connector."""
    monkeypatch.setattr(listing_search, "CEILING", CEILING)
    monkeypatch.setattr(sandbox_listings, "CEILING", CEILING)


@contextmanager
def recorded(**arguments: Any) -> Iterator[tuple[Sandbox, list[Request]]]:
    """A sandbox, and the requests that it gets."""
    given = {"orders": 40, "products": MANY, "until": UNTIL, "accounts": 2, **arguments}
    server = serve(Arguments(marketplace="amazon", **given))
    answer, requests = server.answer, list[Request]()

    def kept(request: Request) -> Reply:
        requests.append(request)
        return answer(request)

    server.answer = kept
    with running(server) as url:
        yield Sandbox("amazon", url), requests


def made(requests: list[Request], pattern: str) -> list[Request]:
    """The requests of one operation."""
    return [request for request in requests if re.fullmatch(pattern, f"{request.method} {request.path}")]


def until_limited(opened: AnySession, token: str | None = None) -> str | None:
    """The page token at which the marketplace asks to wait."""
    while True:
        try:
            token = PRODUCTS.fetch(opened, EVERYTHING, token).next_token
        except RateLimited:
            return token


REPORTS, SEARCHES = r"POST /reports/.*", r"GET /listings/2021-08-01/items/\w+"


@pytest.mark.usefixtures("ceiling")
def test_trap_a_catalogue_over_the_ceiling_is_read_through_the_report() -> None:
    """Everything is held, in the same form as without it; a smaller marketplace needs none."""
    with recorded() as (seller, requests):
        found = read(AMAZON, seller.session(), "products")
        truth = seller.truth()["products"]
        reports = made(requests, REPORTS)
        named = [request for request in requests if "identifiers" in request.query]

    assert found.records.keys() == truth.keys()
    assert [msgspec.json.decode(each.body)["marketplaceIds"] for each in reports] == [["AE08WJ6YKNBMC"]]
    assert len(named) == 9


@pytest.mark.usefixtures("ceiling")
def test_a_product_is_the_same_however_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by the report or shown by a search: identical bytes."""
    with recorded() as (seller, requests):
        reported = read(AMAZON, seller.session(), "products").records
        assert made(requests, REPORTS)
        monkeypatch.setattr(listing_search, "WHOLE", timedelta(days=10_000))
        requests.clear()
        searched = read(AMAZON, seller.session(), "products").records
        assert not made(requests, REPORTS)

    assert reported == searched


@pytest.mark.usefixtures("ceiling")
@pytest.mark.parametrize("stream", ["products", "inventory"])
def test_every_place_of_the_walk_resumes_in_another_session(stream: str) -> None:
    """Searching, waiting for the report, naming its SKUs: each token continues with the rest."""
    with recorded() as (seller, _):
        whole = read(AMAZON, seller.session(), stream)
        truth = seller.truth()[stream].keys()
        kinds = {re.findall(r"\w+", token)[0] for token in whole.tokens if token}
        seen: set[str] = set()
        for page, token in zip(whole.pages, whole.tokens, strict=True):
            rest = read(AMAZON, seller.session(), stream, token=token).records.keys()
            assert seen | rest == truth
            seen |= {AMAZON.streams[stream].record_id(raw) or "" for raw in page.records}

    assert kinds == ({"search", "report", "skus"} if stream == "products" else {"fba", "search"})


@pytest.mark.usefixtures("ceiling")
def test_a_short_window_over_the_ceiling_goes_on_from_its_last_time() -> None:
    """More changed than can be paged through: another search, from the last time on, and no report."""
    with recorded() as (seller, requests):
        changed: set[str] = set()
        for minute in range(1, 5):
            at = (UNTIL + timedelta(minutes=minute)).isoformat()
            changed |= set(seller.control("POST", "change", {"prices": 50, "at": at})["prices"])
        window = Window(UNTIL + timedelta(seconds=1), UNTIL + timedelta(hours=1))
        found = read(AMAZON, seller.session(), "products", window)
        assert not made(requests, REPORTS)
        starts = list(dict.fromkeys(each.one("lastUpdatedAfter") for each in made(requests, SEARCHES)))

    assert found.records.keys() == changed
    assert len(changed) > 2 * CEILING
    assert len(starts) > 2
    assert starts == sorted(starts)


@pytest.mark.usefixtures("ceiling")
@pytest.mark.parametrize("stream", ["products", "inventory"])
def test_trap_more_than_the_ceiling_at_one_time_needs_the_report(stream: str) -> None:
    """A bulk edit gives many listings one time: a search cannot go past it."""
    with recorded() as (seller, requests):
        at = (UNTIL + timedelta(minutes=1)).isoformat()
        changed = set(seller.control("POST", "change", {"prices": 150, "at": at})["prices"])
        window = Window(UNTIL + timedelta(seconds=1), UNTIL + timedelta(hours=1))
        found = read(AMAZON, seller.session(), stream, window)
        truth = seller.truth()[stream].keys()
        assert len(made(requests, REPORTS)) == 1

    assert len(changed) == 150
    assert found.records.keys() >= (changed if stream == "products" else truth)


@pytest.mark.usefixtures("ceiling")
@pytest.mark.parametrize("status", ["CANCELLED", "FATAL"])
def test_trap_a_cancelled_report_is_not_an_empty_catalogue(
    status: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A search has shown a large catalogue: it continues without a report."""
    lost = {"processingStatus": status, "createdTime": "2026-11-23T06:00:00Z", "reportDocumentId": "x"}
    monkeypatch.setattr(Reports, "report", lambda *_: lost)
    with recorded() as (seller, _):
        found = read(AMAZON, seller.session(), "products")
        assert found.records.keys() == seller.truth()["products"].keys()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert status in caplog.text


@pytest.mark.usefixtures("ceiling")
def test_without_a_report_a_bulk_edit_is_said_to_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than losing the listings that cannot be reached."""
    lost = {"processingStatus": "FATAL", "createdTime": "2026-11-23T06:00:00Z"}
    monkeypatch.setattr(Reports, "report", lambda *_: lost)
    with recorded() as (seller, _):
        seller.control("POST", "change", {"prices": 150, "at": UNTIL.isoformat()})
        with pytest.raises(ResponseInvalid, match="no report tells them"):
            read(AMAZON, seller.session(), "products")


@pytest.mark.usefixtures("ceiling")
def test_a_report_is_waited_for_longer_and_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits are slept; a long one is left to a later slice, which asks again at once."""
    bench = Bench()
    making = {"processingStatus": "IN_PROGRESS", "createdTime": datetime.now(UTC).isoformat()}
    with recorded() as (seller, requests):
        with monkeypatch.context() as patched:
            patched.setattr(Reports, "report", lambda *_: making)
            found = until_limited(seller.session(bench))
        assert [wait for wait in bench.waits if wait > 1] == [15, 30, 45, 60, 75]
        assert len(made(requests, REPORTS)) == 1
        # The sandbox says twice that it is not done, each time another slice asks.
        assert [until_limited(seller.session(), found) for _ in range(2)] == [found, found]
        rest = read(AMAZON, seller.session(), "products", token=found)
        assert rest.records.keys() == seller.truth()["products"].keys()


@pytest.mark.usefixtures("ceiling")
def test_a_report_that_is_never_done_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some hours the search continues without it."""
    stuck = {"processingStatus": "IN_QUEUE", "createdTime": "2026-11-22T06:00:00Z"}
    monkeypatch.setattr(Reports, "report", lambda *_: stuck)
    with recorded() as (seller, _):
        found = read(AMAZON, seller.session(), "products")
        assert found.records.keys() == seller.truth()["products"].keys()


@pytest.mark.usefixtures("ceiling")
def test_what_the_report_may_lack_is_searched_for() -> None:
    """The changes shortly before it was made, up to the window's end."""
    window = Window(EVERYTHING.since, datetime.now(UTC) - timedelta(minutes=3))
    with recorded() as (seller, requests):
        read(AMAZON, seller.session(), "products", window)
        made_at = made(requests, REPORTS)
        first = requests.index(made_at[0])
        later = [
            each
            for each in requests[first:]
            if each.one("lastUpdatedAfter") > f"{EVERYTHING.since:%Y-%m-%d}T99"
        ]

    assert len(later) == 1
    begins = datetime.fromisoformat(later[0].one("lastUpdatedAfter"))
    assert timedelta(minutes=55) < window.until - begins < timedelta(minutes=65)


@pytest.mark.usefixtures("ceiling")
def test_a_report_without_compression_is_read_as_well() -> None:
    """The other account's documents are plain UTF-8, with odd SKUs."""
    credential = {name: value.replace("-0", "-1") for name, value in CREDENTIALS["amazon"].items()}
    with recorded() as (seller, requests):
        opened = AMAZON.open(
            Bench().opening(
                "amazon",
                {**SETTINGS["amazon"], "seller_id": "ASANDBOX1", "base_url": seller.url},
                Secrets(msgspec.json.encode(credential).decode()),
            )
        )
        found = read(AMAZON, opened, "products")
        assert made(requests, REPORTS)

    assert len(found.records) == MANY
    assert any("ß" in record_id for record_id in found.records)


def test_trap_a_sku_with_a_comma_is_asked_for_alone() -> None:
    """SKUs are separated by commas; a listing that is gone meanwhile is absent."""
    report = b"seller-sku\nA\nB,1/2\nC,gone\n"
    one = Reply.json(200, {"sku": "B,1/2"})
    gone = Reply.json(404, {"errors": [{"code": "NOT_FOUND", "message": "no"}]})
    found = Reply.json(200, {"items": [{"sku": "A"}], "numberOfResults": 1})
    answers = document(report, "text/plain", compressed=False)
    with scripted(*answers, one, gone, found, EMPTY) as server:
        place = '["skus","AE08WJ6YKNBMC","d","2026-11-23T06:00:00Z",0]'
        page = PRODUCTS.fetch(session(server), EVERYTHING, place)

    assert [PRODUCTS.record_id(raw) for raw in page.records] == ["B,1/2@AE08WJ6YKNBMC", "A@AE08WJ6YKNBMC"]
    assert server.requests[3].path == "/listings/2021-08-01/items/ASANDBOX0/B%2C1%2F2"
    assert server.requests[5].query["identifiers"] == ["A"]
    assert page.next_token == '["skus","AE08WJ6YKNBMC","d","2026-11-23T06:00:00Z",3]'


def test_a_search_is_ascending_and_closed_from_above() -> None:
    """Descending, which is the default, a listing that changes would push others past the reader."""
    with scripted(TOKEN, EMPTY) as server:
        PRODUCTS.fetch(session(server), EVERYTHING, None)

    assert {name: values[0] for name, values in server.requests[1].query.items()} == {
        "marketplaceIds": "AE08WJ6YKNBMC",
        "includedData": "summaries,offers,attributes,relationships",
        "sortBy": "lastUpdatedDate",
        "sortOrder": "ASC",
        "pageSize": "20",
        "lastUpdatedAfter": f"{EVERYTHING.since:%Y-%m-%dT%H:%M:%SZ}",
        "lastUpdatedBefore": f"{UNTIL:%Y-%m-%dT%H:%M:%SZ}",
    }


def test_stock_is_searched_for_without_bounds() -> None:
    """A listing that changes during the walk must not fall out of it, nor one from before the backfill."""
    with recorded(products=30) as (seller, requests):
        read(AMAZON, seller.session(), "inventory", Window(UNTIL - timedelta(days=1), UNTIL))

    searches = made(requests, SEARCHES)
    assert len(searches) == 3
    assert not any(name.startswith("lastUpdated") for each in searches for name in each.query)


def test_a_page_token_that_is_refused_restarts_the_window() -> None:
    """Amazon does not say how long it lives."""
    first = Reply.json(200, {"items": [], "numberOfResults": 30, "pagination": {"nextToken": "next"}})
    refused = Reply.json(400, {"errors": [{"code": "InvalidInput", "message": "no"}]})
    with scripted(TOKEN, first, refused) as server:
        opened = session(server)
        token = PRODUCTS.fetch(opened, EVERYTHING, None).next_token
        with pytest.raises(PageTokenExpired):
            PRODUCTS.fetch(opened, EVERYTHING, token)


def test_a_page_token_that_repeats_ends_the_listing() -> None:
    """It would never end by itself."""
    page = Reply.json(200, {"items": [], "numberOfResults": 30, "pagination": {"nextToken": "same"}})
    with scripted(TOKEN, page) as server:
        opened = session(server)
        token = PRODUCTS.fetch(opened, EVERYTHING, None).next_token
        with pytest.raises(ResponseInvalid, match="repeats"):
            PRODUCTS.fetch(opened, EVERYTHING, token)


@pytest.mark.usefixtures("ceiling")
def test_requests_are_as_published() -> None:
    """Every parameter of every call is one of the published models, and within its bounds."""
    published = msgspec.json.decode((Path(__file__).parents[1] / "published" / "amazon.json").read_bytes())
    called = set()
    with recorded() as (seller, requests):
        opened = seller.session(store_buyer_pii=True)
        AMAZON.check(opened)
        for stream in AMAZON.streams:
            read(AMAZON, opened, stream)
    for request in requests:
        path = re.sub(r"(/items|/reports|/documents)/(?!reports|documents|20)[^/]+", r"\1/{}", request.path)
        operation = f"{request.method} {path}"
        if path.startswith(("/auth", "/%2F", "/_sandbox")):
            continue
        called.add(operation)
        assert_published(request, published["operations"][operation])

    assert called == published["operations"].keys() - {"GET /listings/2021-08-01/items/{}/{}"}


def assert_published(request: Request, parameters: dict[str, dict[str, Any]]) -> None:
    """Known names, required ones there, values in bounds."""
    assert request.query.keys() <= parameters.keys()
    assert {name for name, rule in parameters.items() if rule.get("required")} <= request.query.keys()
    for name, values in request.query.items():
        rule = parameters[name]
        assert len(values) == 1
        parts = values[0].split(",") if rule.get("csv") else values
        assert len(parts) <= rule.get("maxItems", len(parts))
        assert set(parts) <= set(rule.get("enum", parts))
        if "maximum" in rule:
            assert 1 <= int(values[0]) <= rule["maximum"]
        if rule.get("format") == "date-time":
            assert datetime.fromisoformat(values[0]).utcoffset() == timedelta(0)
