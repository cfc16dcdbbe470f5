"""Searching a seller's listings, marketplace after marketplace.

Source: the published model of the Listings Items API 2021-08-01, read 2026-11-23. Facts that this module
depends on:

- A search covers one marketplace, has pages of 20, and lets no more than 1,000 items be paged through.
  Another search then continues from the last modification time, and shows the items of that time again.
- If more than 1,000 items share that time, or a whole catalogue is wanted and is larger, the listings
  report names all SKUs. They are then asked for by name, so that all rows have the same form.
- A last search finds the items that were listed while Amazon made the report.
- The default order is descending; in ascending order, an item that changes meanwhile is shown again.
- A search tells its number of results. A search that ends before that number continues from the last time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import MarketplaceUnavailable, PageTokenExpired, ResponseInvalid
from orchestrator.marketplaces.amazon import report
from orchestrator.marketplaces.amazon.api import SINGLE, WITH_TOKEN, Gone, Paged, Seller, ask
from orchestrator.marketplaces.amazon.narrowing import Spans
from orchestrator.marketplaces.client import Errors
from orchestrator.marketplaces.paging import read_position, single_step
from orchestrator.marketplaces.spec import Session, Unshown
from orchestrator.marketplaces.values import Instant, whole_second

log = logging.getLogger(__name__)

PAGE_SIZE = 20
#: The most items that one search shows on all its pages.
CEILING = 1000
#: A search over a longer span counts as one for the whole catalogue.
WHOLE = timedelta(days=30)
#: The last search begins this long before the report was made.
OVERLAP = timedelta(hours=1)
#: No listing is older; a span of time without another beginning starts here.
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
#: Seconds to wait for a report: longer by the first each time, up to the last.
POLL_S, LONGEST_POLL_S = 15.0, 120.0


class Wanted(NamedTuple):
    """The data to ask for, and the span of the listings."""

    #: Sets of data, comma-separated.
    included: str
    #: Changed since, and until; None if time does not matter.
    since: datetime | None = None
    until: datetime | None = None
    #: How often the page has been asked for: see `Window`.
    attempt: int = 1


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


Place = Search | Waiting | Naming | Spans


class _Placed(Protocol):
    @property
    def marketplace(self) -> str: ...


P = TypeVar("P", bound=_Placed)


class Step(NamedTuple):
    """Some listings, and the next place; None if this marketplace is done."""

    items: list[msgspec.Raw]
    following: Place | None
    unshown: Sequence[Unshown] = ()


class _Found(Paged):
    items: list[msgspec.Raw]
    number_of_results: int | None = None


class _Summary(msgspec.Struct, rename="camel"):
    last_updated_date: Instant | None = None


class _Dated(msgspec.Struct):
    summaries: list[_Summary] = []


def next_step(session: Session[Seller], place: Place, wanted: Wanted) -> Step:
    """Make the next call or two; after a marketplace's last listing, the next marketplace follows.

    Raises:
        PageTokenExpired: Amazon no longer accepts its page token.
        MarketplaceError: One of its other kinds.
    """
    found = _step(session, place, wanted)
    another = after(session.settings.marketplace_ids, place.marketplace)
    if found.following is not None or another is None:
        return found
    return found._replace(following=Search(another, wanted.since))


def own_place(token: str, places: msgspec.json.Decoder[P], ids: Sequence[str]) -> P:
    """The place that a page token of ours names.

    Raises:
        PageTokenExpired: It is none of ours, or names a marketplace that is no longer synced.
    """
    place = read_position("amazon", token, places)
    if place.marketplace not in ids:
        raise PageTokenExpired("amazon: the page token is of a marketplace that is no longer synced")
    return place


def after(ids: Sequence[str], marketplace: str) -> str | None:
    """The marketplace after this one."""
    return next(iter(ids[ids.index(marketplace) + 1 :]), None)


def _step(session: Session[Seller], place: Place, wanted: Wanted) -> Step:
    match place:
        case Search():
            return _search(session, place, wanted)
        case Waiting():
            return _wait(session, place, wanted)
        case Naming():
            return _name(session, place, wanted)
        case Spans():
            return _halve(session, place, wanted)


def _search(session: Session[Seller], place: Search, wanted: Wanted) -> Step:
    try:
        return _searched(session, place, wanted)
    except MarketplaceUnavailable as error:
        until = wanted.until or session.client.server_time
        # An earlier page of the same search was shown: then Amazon answers, and this page has a row to blame.
        is_only_one = wanted.attempt > 1 or place.read > 0
        if not is_only_one or until is None:
            raise
        # In ascending order, all that is older than the latest time has been shown.
        since = min(place.last or place.after or _OLDEST, until)
        following, unshown = Spans.of(place.marketplace, since, until).missed(error)
        return Step([], following, unshown)


def _searched(session: Session[Seller], place: Search, wanted: Wanted) -> Step:
    found = _page(session, wanted, place, wanted.until)
    is_large = (found.number_of_results or 0) > CEILING
    if is_large and place.may_report and place.read == 0 and _is_whole(place, wanted):
        return _report(session, place)
    read = place.read + len(found.items)
    last = max(filter(None, [place.last, *map(_changed_at, found.items)]), default=None)
    if read < CEILING:
        page = single_step("amazon listings", place.page, found.next_token)
        if page:
            return Step(found.items, msgspec.structs.replace(place, page=page, read=read, last=last))
        if not _ends_early(found, read):
            return Step(found.items, None)
    if last is not None and (place.after is None or last > place.after):
        return Step(found.items, msgspec.structs.replace(place, after=last, page=None, read=0, last=None))
    if read < CEILING:
        if found.number_of_results is None:
            return Step(found.items, None)
        message = f"amazon listings: {read} of {found.number_of_results} listings came"
        raise MarketplaceUnavailable(message)
    if not place.may_report:
        message = f"amazon listings: more than {CEILING} items changed at one time, and no report tells them"
        raise ResponseInvalid(message)
    return Step(found.items, _report(session, place).following)


def _page(session: Session[Seller], wanted: Wanted, search: Search, until: datetime | None) -> _Found:
    """One page of a search; both bounds are included."""
    params = [("sortBy", "lastUpdatedDate"), ("sortOrder", "ASC"), ("pageSize", str(PAGE_SIZE))]
    if search.after is not None:
        params.append(("lastUpdatedAfter", whole_second(search.after)))
    if until is not None:
        params.append(("lastUpdatedBefore", whole_second(until, rounded_up=True)))
    if search.page is not None:
        params.append(("pageToken", search.page))
    errors = WITH_TOKEN if search.page is not None else None
    return _ask(session, search.marketplace, wanted, params, errors)


def _ends_early(found: _Found, read: int) -> bool:
    """Whether a last page lacks results: fewer came than told, or it is full and none is told."""
    if found.number_of_results is None:
        return len(found.items) >= PAGE_SIZE
    return read < found.number_of_results


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
            *(place.marketplace, made.processing_status),
            extra={"action": "report_lost", "status": made.processing_status},
        )
        return Step([], Search(place.marketplace, wanted.since, may_report=False))
    session.client.pause(min(POLL_S * (place.polls + 1), LONGEST_POLL_S))
    return Step([], msgspec.structs.replace(place, polls=place.polls + 1))


def _name(session: Session[Seller], place: Naming, wanted: Wanted) -> Step:
    skus = report.batch(session, place.document, place.row)
    if not skus:
        return Step([], _lately(place, wanted))
    # A comma separates SKUs, so a SKU with a comma is asked for alone.
    # A comma separates SKUs, so a SKU with a comma is asked for alone.
    plain = [sku for sku in skus if "," not in sku]
    items, unshown = _alone(session, place, [sku for sku in skus if "," in sku], wanted)
    if plain:
        try:
            items += _named(session, place.marketplace, plain, wanted)
        except MarketplaceUnavailable:
            if wanted.attempt == 1:
                raise
            shown, hidden = _alone(session, place, plain, wanted)
            items, unshown = items + shown, unshown + hidden
    return Step(items, msgspec.structs.replace(place, row=place.row + len(skus)), unshown)


def _alone(
    session: Session[Seller], place: Naming, skus: Sequence[str], wanted: Wanted
) -> tuple[list[msgspec.Raw], list[Unshown]]:
    """The listings of SKUs, each asked for alone, and from the second attempt on those that are not shown."""
    items: list[msgspec.Raw] = []
    unshown: list[Unshown] = []
    for sku in skus:
        try:
            items += _one(session, place.marketplace, sku, wanted)
        except MarketplaceUnavailable as error:
            if wanted.attempt == 1:
                raise
            listing_id = f"{sku}@{place.marketplace}"
            unshown.append(Unshown(name=listing_id, reason=error.message, record_id=listing_id))
    if unshown and not items:
        # Raises if Amazon shows nothing at all: then the SKUs are not to blame.
        _page(session, wanted, Search(place.marketplace, place.made_at), None)
    return items, unshown


def _named(
    session: Session[Seller], marketplace: str, skus: Sequence[str], wanted: Wanted
) -> list[msgspec.Raw]:
    """The listings of at most 20 SKUs; those that no longer exist are left out."""
    params = [("identifiersType", "SKU"), ("identifiers", ",".join(skus)), ("pageSize", str(PAGE_SIZE))]
    found = _ask(session, marketplace, wanted, params)
    if len(found.items) < (found.number_of_results or 0):
        message = f"amazon listings: {len(found.items)} of {found.number_of_results} named listings came"
        raise MarketplaceUnavailable(message)
    return found.items


def _halve(session: Session[Seller], place: Spans, wanted: Wanted) -> Step:
    """A page of a search that is narrowed down by time."""
    since, until = place.first
    try:
        found = _page(session, wanted, Search(place.marketplace, since, place.page), until)
    except MarketplaceUnavailable as error:
        following, unshown = place.missed(error)
        if wanted.until is None:
            # A listing of the whole catalogue does not say which listings changed in a span.
            unshown = [replace(each, changed_since=None, changed_until=None) for each in unshown]
        return Step([], following or _since(place, wanted), unshown)
    page = single_step("amazon listings", place.page, found.next_token)
    is_large = (found.number_of_results or 0) > CEILING
    is_short = page is None and place.page is None and _ends_early(found, len(found.items))
    if place.can_halve and place.page is None and (is_large or is_short or page is not None):
        # Its rows are left out: they come with the halves, and a later page might fail.
        return Step([], place.answered_in_part())
    return Step(found.items, place.after_page(page) or _since(place, wanted))


def _since(place: Spans, wanted: Wanted) -> Search | None:
    """The search for the listings that changed while the spans were read; None if the window ends before."""
    return Search(place.marketplace, place.end, may_report=False) if wanted.until is None else None


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
