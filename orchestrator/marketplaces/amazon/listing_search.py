"""Searching a seller's listings, marketplace after marketplace.

Source: the published model of the Listings Items API 2021-08-01, read 2026-11-23. Facts that this module
depends on:

- A search covers one marketplace, has pages of 20, and lets no more than 1,000 items be paged through.
  Another search then continues from the last modification time, and shows the items of that time again.
- If more than 1,000 items share that time, or a whole catalogue is wanted and is larger, the listings
  report names all SKUs. They are then asked for by name, so that all rows have the same form.
- A last search finds the items that were listed while Amazon made the report.
- The default order is descending; in ascending order, an item that changes meanwhile is shown again.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import ResponseInvalid
from orchestrator.marketplaces.amazon import report
from orchestrator.marketplaces.amazon.api import SINGLE, WITH_TOKEN, Gone, Paged, Seller, ask
from orchestrator.marketplaces.client import Errors
from orchestrator.marketplaces.paging import single_step
from orchestrator.marketplaces.spec import Session
from orchestrator.marketplaces.values import Instant, whole_second

log = logging.getLogger(__name__)

PAGE_SIZE = 20
#: The most items that one search shows on all its pages.
CEILING = 1000
#: A search over a longer span counts as one for the whole catalogue.
WHOLE = timedelta(days=30)
#: The last search begins this long before the report was made.
OVERLAP = timedelta(hours=1)
#: Seconds to wait for a report: longer by the first each time, up to the last.
POLL_S, LONGEST_POLL_S = 15.0, 120.0


class Wanted(NamedTuple):
    """The data to ask for, and the span of the listings."""

    #: Sets of data, comma-separated.
    included: str
    #: Changed since, and until; None if time does not matter.
    since: datetime | None = None
    until: datetime | None = None


class Search(msgspec.Struct, frozen=True, array_like=True, tag="search"):
    """A search for the listings changed from a time on, and the position in it."""

    marketplace: str
    after: Instant | None
    #: Amazon's page token, which belongs to exactly this search.
    page: str | None = None
    read: int = 0
    #: The latest modification time so far.
    last: Instant | None = None
    #: Whether a report could help.
    may_report: bool = True


class Waiting(msgspec.Struct, frozen=True, array_like=True, tag="report"):
    """A report that Amazon is making."""

    marketplace: str
    report: str
    polls: int = 0


class Naming(msgspec.Struct, frozen=True, array_like=True, tag="skus"):
    """A report's SKUs, and the number already asked for."""

    marketplace: str
    document: str
    made_at: Instant
    row: int = 0


Place = Search | Waiting | Naming


class Step(NamedTuple):
    """Some listings, and the next place; None if this marketplace is done."""

    items: list[msgspec.Raw]
    following: Place | None


class _Found(Paged):
    items: list[msgspec.Raw]
    number_of_results: int = 0


class _Summary(msgspec.Struct, rename="camel"):
    last_updated_date: Instant | None = None


class _Dated(msgspec.Struct):
    summaries: list[_Summary] = []


def step(session: Session[Seller], place: Place, wanted: Wanted) -> Step:
    """Make the next call or two.

    Raises:
        PageTokenExpired: Amazon no longer accepts its page token.
        MarketplaceError: One of its other kinds.
    """
    match place:
        case Search():
            return _search(session, place, wanted)
        case Waiting():
            return _wait(session, place, wanted)
        case Naming():
            return _name(session, place, wanted)


def _search(session: Session[Seller], place: Search, wanted: Wanted) -> Step:
    params = [("sortBy", "lastUpdatedDate"), ("sortOrder", "ASC"), ("pageSize", str(PAGE_SIZE))]
    if place.after is not None:
        params.append(("lastUpdatedAfter", whole_second(place.after)))
    if wanted.until is not None:
        params.append(("lastUpdatedBefore", whole_second(wanted.until, rounded_up=True)))
    if place.page is not None:
        params.append(("pageToken", place.page))
    found = _ask(session, place.marketplace, wanted, params, WITH_TOKEN if place.page is not None else None)
    is_large = found.number_of_results > CEILING
    if is_large and place.may_report and place.read == 0 and _is_whole(place, wanted):
        return _report(session, place)
    read = place.read + len(found.items)
    last = max(filter(None, [place.last, *map(_changed_at, found.items)]), default=None)
    if read < CEILING:
        page = single_step("amazon listings", place.page, found.next_token)
        further = msgspec.structs.replace(place, page=page, read=read, last=last)
        return Step(found.items, further if page else None)
    if last is not None and (place.after is None or last > place.after):
        return Step(found.items, msgspec.structs.replace(place, after=last, page=None, read=0, last=None))
    if not place.may_report:
        message = f"amazon listings: more than {CEILING} items changed at one time, and no report tells them"
        raise ResponseInvalid(message)
    return Step(found.items, _report(session, place).following)


def _is_whole(place: Search, wanted: Wanted) -> bool:
    """Whether nearly all listings are wanted, by time; stock is read too often for reports."""
    if place.after is None or wanted.until is None:
        return False
    return wanted.until - place.after > WHOLE


def _report(session: Session[Seller], place: Search) -> Step:
    return Step([], Waiting(place.marketplace, report.create(session, place.marketplace)))


def _wait(session: Session[Seller], place: Waiting, wanted: Wanted) -> Step:
    made = report.status(session, place.report)
    if made.report_document_id is not None and not made.is_lost:
        return Step([], Naming(place.marketplace, made.report_document_id, made.created_time))
    now = session.client.server_time or made.created_time
    if made.is_lost or now - made.created_time > report.PATIENCE:
        log.warning(
            "amazon has no listings report for %s (%s): searching instead",
            place.marketplace,
            made.processing_status,
            extra={"action": "report_lost"},
        )
        return Step([], Search(place.marketplace, wanted.since, may_report=False))
    session.client.pause(min(POLL_S * (place.polls + 1), LONGEST_POLL_S))
    return Step([], msgspec.structs.replace(place, polls=place.polls + 1))


def _name(session: Session[Seller], place: Naming, wanted: Wanted) -> Step:
    skus = report.batch(session, place.document, place.row)
    if not skus:
        return Step([], _lately(place, wanted))
    # A comma separates SKUs, so a SKU with a comma is asked for alone.
    plain = [sku for sku in skus if "," not in sku]
    items = [item for sku in skus if "," in sku for item in _one(session, place.marketplace, sku, wanted)]
    if plain:
        params = [("identifiersType", "SKU"), ("identifiers", ",".join(plain)), ("pageSize", str(PAGE_SIZE))]
        items += _ask(session, place.marketplace, wanted, params).items
    return Step(items, msgspec.structs.replace(place, row=place.row + len(skus)))


def _lately(place: Naming, wanted: Wanted) -> Search:
    """The search for the listings that the report may lack."""
    after = place.made_at - OVERLAP
    if wanted.since is not None and wanted.until is not None:
        after = min(max(after, wanted.since), wanted.until)
    return Search(place.marketplace, after, may_report=False)


def _one(session: Session[Seller], marketplace: str, sku: str, wanted: Wanted) -> list[msgspec.Raw]:
    path = f"{_path(session)}/{quote(sku, safe='')}"
    params = [("marketplaceIds", marketplace), ("includedData", wanted.included)]
    try:
        return [ask(session, "listing", path, msgspec.Raw, params, errors=SINGLE)]
    except Gone:
        return []


def _ask(
    session: Session[Seller],
    marketplace: str,
    wanted: Wanted,
    params: list[tuple[str, str]],
    errors: Errors | None = None,
) -> _Found:
    everywhere = [("marketplaceIds", marketplace), ("includedData", wanted.included)]
    return ask(session, "listings", _path(session), _Found, everywhere + params, errors=errors)


def _path(session: Session[Seller]) -> str:
    return f"/listings/2021-08-01/items/{session.settings.seller_id}"


def _changed_at(item: msgspec.Raw) -> datetime | None:
    """When an item changed; None if it does not say so, or cannot be read."""
    try:
        summaries = msgspec.json.decode(item, type=_Dated).summaries
    except UNREADABLE:
        return None
    changed_at = summaries[0].last_updated_date if summaries else None
    # A time at the calendar's ends has no day before or after it, and cannot be a bound of a search.
    return changed_at if changed_at is not None and 1 < changed_at.year < 9999 else None
