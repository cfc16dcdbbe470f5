"""Walking through a seller's listings, marketplace after marketplace.

Source: the published model of the Listings Items API 2021-08-01, read 2026-11-23. What is heeded:

- A search is of one marketplace, has pages of 20, and no more than 1,000 items can be paged through: it
  goes on as another search from the last modification time on, whose items it shows once more.
- Where more than 1,000 items share that time, or a whole catalogue is wanted and larger, the listings
  report tells all SKUs, which are then asked for by name: rows are of one form, however they were found.
- What was listed while a report was made is found by a last search.
- The order is descending unless asked for; ascending, an item that changes meanwhile is shown again.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import ResponseInvalid
from orchestrator.marketplaces.amazon import report
from orchestrator.marketplaces.amazon.api import SINGLE, WITH_TOKEN, Gone, ask
from orchestrator.marketplaces.client import Errors, single_step
from orchestrator.marketplaces.spec import Session
from orchestrator.marketplaces.values import Instant

log = logging.getLogger(__name__)

PAGE_SIZE = 20
#: The most items that one search lets page through.
CEILING = 1000
#: A search that covers more than this is for the whole catalogue.
WHOLE = timedelta(days=30)
#: How far before a report's making the last search begins.
OVERLAP = timedelta(hours=1)
#: Seconds to wait for a report: so much longer each time, up to the last.
POLL_S, LONGEST_POLL_S = 15.0, 120.0


class Wanted(NamedTuple):
    """What is asked of each listing, and of which."""

    #: Sets of data, comma-separated.
    included: str
    #: Changed since, and until; None where time does not matter.
    since: datetime | None = None
    until: datetime | None = None


class Search(msgspec.Struct, frozen=True, array_like=True, tag="search"):
    """A search for what changed from a time on, and how far it has been paged through."""

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
    """A report that is being made."""

    marketplace: str
    report: str
    polls: int = 0


class Naming(msgspec.Struct, frozen=True, array_like=True, tag="skus"):
    """A report's SKUs, and how many have been asked for."""

    marketplace: str
    document: str
    made_at: Instant
    row: int = 0


Place = Search | Waiting | Naming


class Step(NamedTuple):
    """Some listings, and where the walk goes on; None where this marketplace is done."""

    items: list[msgspec.Raw]
    following: Place | None


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Found(msgspec.Struct, rename="camel"):
    items: list[msgspec.Raw]
    number_of_results: int = 0
    pagination: _Pagination | None = None


class _Summary(msgspec.Struct, rename="camel"):
    last_updated_date: Instant | None = None


class _Dated(msgspec.Struct):
    summaries: list[_Summary] = []


def step(session: Session, place: Place, wanted: Wanted) -> Step:
    """Make the walk's next call or two.

    Raises:
        PageTokenExpired: Amazon's page token is no longer taken.
        MarketplaceError: One of its other kinds.
    """
    match place:
        case Search():
            return _search(session, place, wanted)
        case Waiting():
            return _wait(session, place, wanted)
        case Naming():
            return _name(session, place, wanted)


def _search(session: Session, place: Search, wanted: Wanted) -> Step:
    params = [("sortBy", "lastUpdatedDate"), ("sortOrder", "ASC"), ("pageSize", str(PAGE_SIZE))]
    if place.after is not None:
        params.append(("lastUpdatedAfter", instant(place.after)))
    if wanted.until is not None:
        params.append(("lastUpdatedBefore", instant(wanted.until, rounded_up=True)))
    if place.page is not None:
        params.append(("pageToken", place.page))
    found = _ask(session, place.marketplace, wanted, params, WITH_TOKEN if place.page is not None else None)
    is_large = found.number_of_results > CEILING
    if is_large and place.may_report and place.read == 0 and _is_whole(place, wanted):
        return _report(session, place)
    read = place.read + len(found.items)
    last = max(filter(None, [place.last, *map(_changed_at, found.items)]), default=None)
    following = found.pagination.next_token if found.pagination else None
    if read < CEILING:
        page = single_step("amazon listings", place.page, following)
        further = msgspec.structs.replace(place, page=page, read=read, last=last)
        return Step(found.items, further if page else None)
    if last is not None and (place.after is None or last > place.after):
        return Step(found.items, msgspec.structs.replace(place, after=last, page=None, read=0, last=None))
    if not place.may_report:
        message = f"amazon listings: more than {CEILING} items changed at one time, and no report tells them"
        raise ResponseInvalid(message)
    return Step(found.items, _report(session, place).following)


def _is_whole(place: Search, wanted: Wanted) -> bool:
    """Whether nearly everything is wanted, and time matters: stock is read too often for reports."""
    if place.after is None or wanted.until is None:
        return False
    return wanted.until - place.after > WHOLE


def _report(session: Session, place: Search) -> Step:
    return Step([], Waiting(place.marketplace, report.create(session, place.marketplace)))


def _wait(session: Session, place: Waiting, wanted: Wanted) -> Step:
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


def _name(session: Session, place: Naming, wanted: Wanted) -> Step:
    skus = report.batch(session, place.document, place.row)
    if not skus:
        return Step([], _lately(place, wanted))
    # A comma separates SKUs, so one that has a comma is asked for alone.
    plain = [sku for sku in skus if "," not in sku]
    items = [item for sku in skus if "," in sku for item in _one(session, place.marketplace, sku, wanted)]
    if plain:
        params = [("identifiersType", "SKU"), ("identifiers", ",".join(plain)), ("pageSize", str(PAGE_SIZE))]
        items += _ask(session, place.marketplace, wanted, params).items
    return Step(items, msgspec.structs.replace(place, row=place.row + len(skus)))


def _lately(place: Naming, wanted: Wanted) -> Search:
    """The search for what the report may lack."""
    after = place.made_at - OVERLAP
    if wanted.since is not None and wanted.until is not None:
        after = min(max(after, wanted.since), wanted.until)
    return Search(place.marketplace, after, may_report=False)


def _one(session: Session, marketplace: str, sku: str, wanted: Wanted) -> list[msgspec.Raw]:
    path = f"{_path(session)}/{quote(sku, safe='')}"
    params = [("marketplaceIds", marketplace), ("includedData", wanted.included)]
    try:
        return [ask(session, "listing", path, msgspec.Raw, params, errors=SINGLE)]
    except Gone:
        return []


def _ask(
    session: Session,
    marketplace: str,
    wanted: Wanted,
    params: list[tuple[str, str]],
    errors: Errors | None = None,
) -> _Found:
    everywhere = [("marketplaceIds", marketplace), ("includedData", wanted.included)]
    return ask(session, "listings", _path(session), _Found, everywhere + params, errors=errors)


def _path(session: Session) -> str:
    return f"/listings/2021-08-01/items/{session.settings.settings.seller_id}"


def _changed_at(item: msgspec.Raw) -> datetime | None:
    """When an item changed; None where it does not say, or cannot be read."""
    try:
        summaries = msgspec.json.decode(item, type=_Dated).summaries
    except UNREADABLE:
        return None
    changed_at = summaries[0].last_updated_date if summaries else None
    # What no calendar holds a day before and after can be no bound of a search.
    return changed_at if changed_at is not None and 1 < changed_at.year < 9999 else None


def instant(moment: datetime, *, rounded_up: bool = False) -> str:
    """A time as Amazon takes it: UTC with a Z, here in whole seconds."""
    if rounded_up:
        moment += timedelta(microseconds=999_999)
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
