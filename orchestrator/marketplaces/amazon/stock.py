"""The pages of Amazon's stock: what lies with Amazon in each marketplace, then the seller's own.

Source: the models named in `api`, read 2026-11-23. Facts that this module depends on:

- The token of an FBA listing expires after 30 seconds. It stays in the session; another session lists that
  marketplace again from its beginning.
- It is not documented whether a change of quantity alone moves a listing's modification time. So the
  seller's own stock is listed whole each time, 20 SKUs a call and 5 calls a second: 10 seconds for 1,000
  SKUs. The next slice continues a listing that does not fit into one.
- Amazon refuses to list its stock for a seller who has none there as it refuses a wrong query (see `api`).
  Two facts tell these apart: it also refuses the listings of a wrong marketplace, and a seller who takes
  part has listings with one of Amazon's channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from orchestrator.errors import (
    MarketplaceError,
    MarketplaceUnavailable,
    PermissionDenied,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.amazon import stock_records
from orchestrator.marketplaces.amazon.api import ENROLLED, WITH_TOKEN, Fba, NotEnrolled, Paged, Seller, ask
from orchestrator.marketplaces.amazon.fields import within
from orchestrator.marketplaces.amazon.listing_search import Place, Search, Wanted, after, next_step, own_place
from orchestrator.marketplaces.paging import single_step, write_position
from orchestrator.marketplaces.spec import Page, Session, Unshown, Window

_KINDS: Mapping[str, type[MarketplaceError]] = {
    each.kind: each for each in (PermissionDenied, RequestRejected, MarketplaceUnavailable, ResponseInvalid)
}


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """An error that the listing ends with, in a form that a page token can keep."""

    kind: str
    message: str
    action: str = ""

    @classmethod
    def of(cls, error: MarketplaceError) -> Failure:
        """The error's kind, and its words as far as a token has room for them."""
        return cls(error.kind, error.message[:400], error.action[:200])

    def error(self) -> MarketplaceError:
        """The error."""
        return _KINDS.get(self.kind, RequestRejected)(self.message, action=self.action)


class Without(msgspec.Struct, frozen=True, array_like=True, tag="without"):
    """A position in a listing that lacks stock at Amazon."""

    place: Fba | Place
    #: Marketplaces whose stock at Amazon cannot be listed as if the seller had none there.
    absent: tuple[str, ...] = ()
    #: The refusal of the first of them.
    refusal: Failure | None = None
    #: The stream fails with it once the rest is stored.
    failure: Failure | None = None

    @property
    def marketplace(self) -> str:
        """The marketplace being listed."""
        return self.place.marketplace

    @property
    def notice(self) -> str:
        """A line about the marketplaces in which the seller has no stock at Amazon."""
        if not self.absent:
            return ""
        return f"amazon: the seller does not take part in Fulfillment by Amazon in {', '.join(self.absent)}"

    def failing(self, error: MarketplaceError) -> Without:
        """The position with the first of its failures."""
        return msgspec.structs.replace(self, failure=self.failure or Failure.of(error))

    def at(self, place: Fba | Place) -> Without | Fba | Place:
        """The next position; only what it lacks needs this form."""
        if self.absent or self.failure:
            return msgspec.structs.replace(self, place=place)
        return place


_places: msgspec.json.Decoder[Place | Fba | Without] = msgspec.json.Decoder(Place | Fba | Without)


class _Summaries(msgspec.Struct, rename="camel"):
    inventory_summaries: list[msgspec.Raw]


class _Inventory(Paged):
    payload: _Summaries


def fetch_inventory(session: Session[Seller], window: Window, token: str | None) -> Page:
    """Stock at Amazon in each marketplace, then the seller's own stock."""
    ids = session.settings.marketplace_ids
    found = own_place(token, _places, ids) if token else Fba(ids[0])
    position = found if isinstance(found, Without) else Without(found)
    place = position.place
    if isinstance(place, Fba):
        return _fba(session, place, position, window.attempt)
    return _own(session, place, position, window.attempt)


def _fba(session: Session[Seller], place: Fba, position: Without, attempt: int) -> Page:
    """A page of the stock at Amazon; if it cannot be listed, the seller's own stock follows all the same."""
    ids = session.settings.marketplace_ids
    try:
        rows, further = _summaries(session, place)
    except NotEnrolled as error:
        absent = (*position.absent, place.marketplace)
        position = msgspec.structs.replace(
            position, absent=absent, refusal=position.refusal or Failure.of(error)
        )
        return Page([], write_position(position.at(_next(ids, place.marketplace))))
    except PermissionDenied as error:
        # A role is lacking in all marketplaces.
        return Page([], write_position(position.failing(error).at(Search(ids[0], None))))
    except (MarketplaceUnavailable, RequestRejected, ResponseInvalid) as error:
        if attempt == 1:
            raise
        return Page([], write_position(position.failing(error).at(_next(ids, place.marketplace))))
    return Page(rows, write_position(position.at(further or _next(ids, place.marketplace))))


def _summaries(session: Session[Seller], place: Fba) -> tuple[list[bytes], Fba | None]:
    """A page's rows, and the next page of this marketplace."""
    seller = session.settings
    params = [
        ("details", "true"),
        ("granularityType", "Marketplace"),
        ("granularityId", place.marketplace),
        ("marketplaceIds", place.marketplace),
    ]
    continuation = seller.fba[1] if seller.fba is not None and seller.fba[0] == place else None
    if continuation is not None:
        params.append(("nextToken", continuation))
    errors = WITH_TOKEN if continuation is not None else ENROLLED
    found = ask(session, "fba", "/fba/inventory/v1/summaries", _Inventory, params, errors=errors)
    rows = [within(place.marketplace, "fba", row) for row in found.payload.inventory_summaries]
    token = single_step("amazon fba", continuation, found.next_token)
    if token is None:
        return rows, None
    further = Fba(place.marketplace, place.page + 1)
    seller.fba = (further, token)
    return rows, further


def _own(session: Session[Seller], place: Place, position: Without, attempt: int) -> Page:
    """A page of the seller's own stock."""
    marketplace = place.marketplace
    wanted = Wanted("summaries,fulfillmentAvailability", attempt=attempt)
    found = next_step(session, place, wanted)
    if marketplace in position.absent and any(map(stock_records.lies_with_amazon, found.items)):
        absent = tuple(each for each in position.absent if each != marketplace)
        refusal = position.refusal.error() if position.refusal is not None else RequestRejected("amazon fba")
        position = msgspec.structs.replace(position.failing(refusal), absent=absent)
    rows = [
        within(marketplace, "merchant", share)
        for item in found.items
        for share in stock_records.merchant_stock(item)
    ]
    unshown = [replace(each, record_id=_merchant_level(each)) for each in found.unshown]
    if found.following is not None:
        return Page(rows, write_position(position.at(found.following)), unshown=unshown)
    failure = position.failure.error() if position.failure is not None else None
    return Page(rows, None, unshown=unshown, notice=position.notice, failure=failure)


def _merchant_level(unshown: Unshown) -> str | None:
    """The id of the level that a hidden listing is likely to have; None if its SKU is not known."""
    if unshown.record_id is None:
        return None
    return f"{unshown.record_id}/{stock_records.MERCHANT}"


def _next(ids: Sequence[str], marketplace: str) -> Fba | Search:
    """The stock at Amazon in the next marketplace, or after the last one the seller's own stock."""
    another = after(ids, marketplace)
    return Fba(another) if another is not None else Search(ids[0], None)
