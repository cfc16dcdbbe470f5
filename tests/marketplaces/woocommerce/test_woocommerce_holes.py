"""Rows that a WooCommerce site cannot show: the others are read, and these are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import pytest

from local.sandbox.http import Reply, Request, Server
from local.sandbox.woocommerce.server import is_corrupt
from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.marketplaces.spec import AnySession, Page, Unshown, Window
from orchestrator.marketplaces.woocommerce.api import Listed
from orchestrator.marketplaces.woocommerce.narrowing import narrowed
from tests.marketplaces.woocommerce.test_woocommerce import ORDER, session_at
from tests.support.scripted import EVERYTHING, Bench, Sandbox, running, sandbox

WOO = REGISTRY["woocommerce"]


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    """A shop that no test of this module changes."""
    with sandbox("woocommerce", orders=130, products=60, accounts=2) as served:
        yield served


def read_on(session: AnySession, stream: str, window: Window) -> tuple[list[Page], int]:
    """All pages as the engine reads them over several ticks, and the number of failures."""
    pages: list[Page] = []
    token: str | None = None
    failures = attempt = 0
    while True:
        session.client.begin_page()
        try:
            page = WOO.streams[stream].fetch(session, replace(window, attempt=attempt + 1), token)
        except MarketplaceUnavailable:
            attempt += 1
            failures += 1
            assert attempt < 2, "the second attempt fails as well"
            continue
        attempt = 0
        pages.append(page)
        token = page.next_token
        if token is None:
            return pages, failures


def corrupt(ids: set[str]) -> set[str]:
    """Those that the sandbox cannot build."""
    return {each for each in ids if is_corrupt(int(each.partition("@")[0]))}


@pytest.mark.parametrize("account", [0, 1])
@pytest.mark.parametrize("stream", sorted(WOO.streams))
def test_pages_that_fail_because_of_one_row_give_all_other_rows(
    shop: Sandbox, stream: str, account: int
) -> None:
    """Each row is shown or named; the count is complete."""
    whole, _ = read_on(session_at(shop.url, account=account), stream, EVERYTHING)
    site = "https://sandbox-0.example/corrupt"
    pages, failures = read_on(session_at(shop.url, site, account=account), stream, EVERYTHING)
    every = {WOO.streams[stream].record_id(raw) or "" for page in whole for raw in page.records}
    found = {WOO.streams[stream].record_id(raw) or "" for page in pages for raw in page.records}
    unshown = [each for page in pages for each in page.unshown]

    lost = corrupt(every)
    if stream == "products":
        # A product lacks one of its variations, or cannot be shown itself.
        assert lost <= every - found
        assert found <= every
    else:
        if account == 1:
            # Before WooCommerce 10.3 variations are listed below their product.
            lost |= {each for each in every if corrupt({each.partition("@")[0][:-2] or "0"})}
        assert found == every - lost
    assert unshown
    assert all("answered 500 (internal_server_error)" in each.reason for each in unshown)
    assert failures < len(unshown) + 2
    assert pages[-1].total == sum(page.listed or 0 for page in pages)


def test_an_unshown_order_is_named_by_its_neighbour_and_its_span(shop: Sandbox) -> None:
    """Always by the same name, so that it is one reject."""
    session = session_at(shop.url, "https://sandbox-0.example/corrupt")
    first, second = (
        {each.name: each for page in read_on(session, "orders", EVERYTHING)[0] for each in page.unshown}
        for _ in range(2)
    )

    assert first == second
    spans: list[Unshown] = [each for each in first.values() if "(any)" in each.name and each.changed_since]
    assert spans
    for each in spans:
        assert each.changed_since is not None
        assert each.changed_until is not None
        assert EVERYTHING.since <= each.changed_since <= each.changed_until <= EVERYTHING.until
        again = Window(each.changed_since, each.changed_until, attempt=2)
        page = WOO.streams["orders"].fetch(session, again, None)
        assert each.name in {other.name for other in page.unshown}


def test_a_corrupt_row_that_tells_its_id_is_named_by_it() -> None:
    """Its record does not count as vanished then."""

    def answer(request: Request) -> Reply:
        if request.one("status") == "trash":
            return Reply.json(200, [], {"X-WP-Total": "0"})
        if (
            request.one("_fields").startswith("id,date_created,date_modified_gmt")
            and len(request.one("_fields")) < 40
        ):
            return Reply.json(200, [{"id": 7}], {"X-WP-Total": "2"})
        if request.one("per_page") == "1" and request.one("offset") == "1":
            return Reply.json(200, [ORDER], {"X-WP-Total": "2"})
        return Reply.json(500, {"code": "internal_server_error"})

    with running(Server(("127.0.0.1", 0), answer)) as url:
        window = replace(EVERYTHING, attempt=2)
        page = WOO.streams["orders"].fetch(session_at(url), window, None)

    assert [(each.name, each.record_id) for each in page.unshown] == [("7", "7")]
    assert [WOO.streams["orders"].record_id(raw) for raw in page.records] == ["727"]


def listing(
    count: int, bad: set[int], *, counts: bool = True
) -> tuple[Callable[[int, int], Listed], list[tuple[int, int]]]:
    """A listing of rows 0, 1, …, some of which break each page; and the calls made."""
    calls: list[tuple[int, int]] = []

    def read(offset: int, size: int) -> Listed:
        calls.append((offset, size))
        rows = range(min(offset, count), min(offset + size, count))
        if bad & set(rows):
            raise MarketplaceUnavailable("answered 500")
        return Listed([msgspec.Raw(b"%d" % row) for row in rows], size, count if counts else None)

    return read, calls


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize(
    ("count", "bad"), [(100, {40}), (5, {0}), (5, {4}), (1, {0}), (100, {0, 1, 2, 3}), (60, {57, 58, 59})]
)
def test_a_page_is_halved_down_to_the_rows_that_break_it(count: int, bad: set[int], counts: bool) -> None:
    """With few calls, also if the site counts nothing."""
    read, calls = listing(count, bad, counts=counts)
    listed, holes = narrowed(read, 100, skip=0)

    assert {int(bytes(raw)) for raw in listed.rows} == set(range(count)) - bad
    assert {hole.offset for hole in holes} == bad
    assert all(hole.before == len(set(range(hole.offset)) - bad) for hole in holes)
    assert len(calls) < 40


def test_a_site_that_is_down_has_no_rows_that_cannot_be_shown() -> None:
    """It fails after few calls."""
    read, calls = listing(1000, set(range(1000)))
    with pytest.raises(MarketplaceUnavailable):
        narrowed(read, 100, skip=0)

    assert len(calls) < 12


def test_a_page_of_nothing_but_corrupt_rows_has_failed() -> None:
    """At most 20 are told apart."""
    read, _ = listing(1000, set(range(50)))
    with pytest.raises(MarketplaceUnavailable):
        narrowed(read, 100, skip=0)


def test_rows_that_leave_meanwhile_fail_the_narrowing() -> None:
    """Rows behind them have moved up, and may have been missed."""
    read, _ = listing(100, {40})
    counts = iter(range(100, 0, -1))
    with pytest.raises(MarketplaceUnavailable, match="left the listing"):
        narrowed(lambda offset, size: replace(read(offset, size), total=next(counts)), 100, skip=0)


def test_a_full_page_is_distrusted_whatever_the_site_counts() -> None:
    """A proxy that counts only the rows of a page does not end the listing."""

    def answer(request: Request) -> Reply:
        after = request.one("modified_after")
        rows = [
            {
                **ORDER,
                "id": number,
                "date_modified_gmt": f"2026-11-20T{number // 60:02d}:{number % 60:02d}:00",
            }
            for number in range(150)
        ]
        found = [row for row in rows if str(row["date_modified_gmt"]) > after][:100]
        if request.one("status") == "trash":
            found = []
        return Reply.json(200, found, {"X-WP-Total": str(len(found))})

    with running(Server(("127.0.0.1", 0), answer)) as url:
        pages, _ = read_on(session_at(url, bench=Bench()), "orders", EVERYTHING)

    assert sum(len(page.records) for page in pages) == 150
    assert pages[-1].total == sum(page.listed or 0 for page in pages) == 150
