"""The pages of Amazon's orders and products.

Source: the models named in `api`, read 2026-11-23. Facts that this module depends on:

- A search for orders may be made 5 times in 15 minutes, 20 at once. So one call asks for all marketplaces
  and their items, 100 orders a page, and no call is spent without need.
- The upper bound of a search for orders must be two minutes old. Its page token lives for 24 hours and is
  valid only with the first call's own parameters. The order of its rows is not documented.
- Only the data asked for is sent: the status is in `FULFILLMENT`, totals in `PROCEEDS`. `BUYER` and `TAX`
  are asked for only if the connection stores personal data. `RECIPIENT` is asked for also with the setting
  `destination`: it can leave the buyer out, but cannot send the country alone.
- Orders have been missing from lists for a while: an absent order is never taken as vanished.
- A search for orders tells no count. So a full page without a token is not taken for the last at once: a
  first page is read again by halves, a later one is asked for once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.amazon.api import WITH_TOKEN, Paged, Seller, ask
from orchestrator.marketplaces.amazon.fields import within
from orchestrator.marketplaces.amazon.listing_search import Place, Search, Wanted, next_step, own_place
from orchestrator.marketplaces.amazon.narrowing import Spans
from orchestrator.marketplaces.paging import read_position, single_step, write_position
from orchestrator.marketplaces.spec import Page, Session, Unshown, Window
from orchestrator.marketplaces.values import whole_second

#: Orders are kept for two years, in some marketplaces since then.
_OLDEST_ORDER = datetime(2016, 1, 1, tzinfo=UTC)
_ORDER_DATA = ("FULFILLMENT", "PROCEEDS", "PACKAGES", "CANCELLATION", "PROMOTION")
#: The country and the region come only with the whole address.
_RECIPIENT = "RECIPIENT"
#: Tax registrations hold legal names and tax numbers.
_BUYER_DATA = ("BUYER", "TAX")
#: The most orders on a page.
_PAGE_SIZE = 100

_listing_places: msgspec.json.Decoder[Place] = msgspec.json.Decoder(Place)
_order_spans: msgspec.json.Decoder[Spans] = msgspec.json.Decoder(Spans)
#: The beginning of a page token of ours; Amazon's are not JSON.
_OURS = '["spans",'


class _Orders(Paged):
    orders: list[msgspec.Raw]

    @property
    def ends_early(self) -> bool:
        """Whether the page is full, and yet the last one."""
        return len(self.orders) == _PAGE_SIZE and not self.next_token


def fetch_orders(session: Session[Seller], window: Window, token: str | None) -> Page:
    """Orders changed in the window, in all marketplaces, with their items."""
    if token is not None and token.startswith(_OURS):
        return _halve(session, read_position("amazon orders", token, _order_spans))
    since = max(window.since, _OLDEST_ORDER)
    whole = Spans.of("", since, max(since, window.until))
    try:
        found = _search(session, *whole.first, token)
    except MarketplaceUnavailable as error:
        if window.attempt == 1:
            raise
        return _page([], *whole.missed(error))
    if found.ends_early and token is not None:
        found = _search(session, *whole.first, token)
    elif found.ends_early and whole.can_halve:
        return _page([], whole.halved())
    following = single_step("amazon orders", token, found.next_token)
    return Page([bytes(row) for row in found.orders], following)


def _halve(session: Session[Seller], spans: Spans) -> Page:
    """A page of a search that is narrowed down by time."""
    try:
        found = _search(session, *spans.first, spans.page)
    except MarketplaceUnavailable as error:
        return _page([], *spans.missed(error))
    is_more = found.ends_early or found.next_token
    if is_more and spans.page is None and spans.can_halve:
        # Its rows are left out: they come with the halves, and a later page might fail.
        return _page([], spans.answered_in_part())
    return _page(found.orders, spans.after_page(single_step("amazon orders", spans.page, found.next_token)))


def _page(rows: Sequence[msgspec.Raw], following: Spans | None, unshown: Sequence[Unshown] = ()) -> Page:
    token = write_position(following) if following is not None else None
    return Page([bytes(row) for row in rows], token, unshown=unshown)


def _search(session: Session[Seller], since: datetime, until: datetime, token: str | None) -> _Orders:
    params = [
        ("lastUpdatedAfter", whole_second(since)),
        ("lastUpdatedBefore", whole_second(until, rounded_up=True)),
        ("marketplaceIds", ",".join(session.settings.marketplace_ids)),
        ("maxResultsPerPage", str(_PAGE_SIZE)),
        ("includedData", ",".join(_included(session))),
    ]
    if token:
        params.append(("paginationToken", token))
    errors = WITH_TOKEN if token else None
    return ask(session, "orders", "/orders/2026-01-01/orders", _Orders, params, errors=errors)


def _included(session: Session[Seller]) -> list[str]:
    """The sets of data to ask for: no personal data without the connection's consent."""
    wants_place = session.store_buyer_pii or session.settings.destination
    return [
        *_ORDER_DATA,
        *((_RECIPIENT,) if wants_place else ()),
        *(_BUYER_DATA if session.store_buyer_pii else ()),
    ]


def fetch_products(session: Session[Seller], window: Window, token: str | None) -> Page:
    """Listings changed in the window, one marketplace after the other."""
    ids = session.settings.marketplace_ids
    place = own_place(token, _listing_places, ids) if token else Search(ids[0], window.since)
    wanted = Wanted("summaries,offers,attributes,relationships", window.since, window.until, window.attempt)
    found = next_step(session, place, wanted)
    rows = [within(place.marketplace, "listing", item) for item in found.items]
    return Page(rows, write_position(found.following) if found.following else None, unshown=found.unshown)
