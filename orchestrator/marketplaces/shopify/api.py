"""Shopify's queries, and how its GraphQL answers are read: cost, errors beside data, versions.

Page sizes keep a query's requested cost below Shopify's 1,000 points even where every object counts
as a point and every connection as its size times its rows.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import (
    MarketplaceUnavailable,
    PageTokenExpired,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces.client import Response, single_step
from orchestrator.marketplaces.pacing import CostBucket
from orchestrator.marketplaces.spec import Session

API_VERSION = "2026-10"
T = TypeVar("T")
_log = logging.getLogger(__name__)

_PAGE_INFO = "pageInfo{hasNextPage endCursor}"
_MONEY = "{shopMoney{amount currencyCode}}"
_LINE = (
    "id sku title quantity variant{id} product{id} "
    f"originalUnitPriceSet{_MONEY} discountedTotalSet{_MONEY}"
)
_VARIANT = "id sku barcode title price compareAtPrice"
_BUYER = (
    "email phone customer{displayName} "
    "shippingAddress{name phone address1 address2 city province zip countryCodeV2}"
)
_ORDERS = (
    "query($q:String!,$after:String){"
    "rows:orders(first:20,after:$after,sortKey:UPDATED_AT,query:$q){nodes{"
    "id legacyResourceId name createdAt updatedAt cancelledAt test displayFinancialStatus "
    f"displayFulfillmentStatus currentTotalPriceSet{_MONEY} totalRefundedSet{_MONEY} %s "
    f"lineItems(first:5){{nodes{{{_LINE}}} {_PAGE_INFO}}}}} {_PAGE_INFO}}}}}"
)
ORDERS = _ORDERS % ""
#: Asked only for connections that store personal data.
ORDERS_WITH_BUYER = _ORDERS % _BUYER
LINES = (
    "query($id:ID!,$after:String){parent:order(id:$id){"
    f"rows:lineItems(first:100,after:$after){{nodes{{{_LINE}}} {_PAGE_INFO}}}}}}}"
)
PRODUCTS = (
    "query($q:String!,$after:String){shop{currencyCode} "
    "rows:products(first:20,after:$after,sortKey:UPDATED_AT,query:$q){nodes{"
    "id legacyResourceId title status createdAt updatedAt "
    f"variants(first:40){{nodes{{{_VARIANT}}} {_PAGE_INFO}}}}} {_PAGE_INFO}}}}}"
)
VARIANTS = (
    "query($id:ID!,$after:String){parent:product(id:$id){"
    f"rows:variants(first:250,after:$after){{nodes{{{_VARIANT}}} {_PAGE_INFO}}}}}}}"
)
#: One location, one page of its levels.
LEVELS = (
    "query($q:String!,$location:String,$after:String){"
    "rows:locations(first:1,after:$location,sortKey:ID,includeInactive:true,includeLegacy:true){"
    "nodes{inventoryLevels(first:100,after:$after,query:$q){nodes{"
    "id updatedAt item{id sku} location{id name} "
    'quantities(names:["available","on_hand","committed","reserved","incoming"]){name quantity}} '
    f"{_PAGE_INFO}}}}} {_PAGE_INFO}}}}}"
)
SHOP = "{shop{name myshopifyDomain}}"


@dataclass(slots=True)
class Shop:
    """What a session knows of its shop."""

    graphql_url: str
    bucket: CostBucket
    warned: bool = False

    def warn_once(self, message: str) -> None:
        """Log the session's first warning; the rest would say the same of every page."""
        if not self.warned:
            self.warned = True
            _log.warning(message)


class PageInfo(msgspec.Struct, rename="camel"):
    """Where a connection's next page is."""

    has_next_page: bool
    end_cursor: str | None = None

    def following(self, what: str, cursor: str | None) -> str | None:
        """The next page's cursor, None at the end.

        Raises:
            ResponseInvalid: The cursor is missing or the one this page was asked with.
        """
        if not self.has_next_page:
            return None
        if not self.end_cursor:
            raise ResponseInvalid(f"{what}: says there is a next page but not where")
        return single_step(what, cursor, self.end_cursor)


class _ThrottleStatus(msgspec.Struct, rename="camel"):
    maximum_available: float
    currently_available: float
    restore_rate: float


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float
    throttle_status: _ThrottleStatus


class _Extensions(msgspec.Struct, frozen=True):
    cost: _Cost | None = None


class _ErrorExtensions(msgspec.Struct, frozen=True):
    code: str | None = None


class _Error(msgspec.Struct):
    message: str = ""
    extensions: _ErrorExtensions = _ErrorExtensions()


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    #: A text where the API in front refuses the call, a list where GraphQL does.
    errors: list[_Error] | str = []
    extensions: _Extensions = _Extensions()

    def has_data(self) -> bool:
        """Whether any of the fields asked for came."""
        try:
            fields = msgspec.json.decode(self.data, type=dict[str, msgspec.Raw] | None)
        except UNREADABLE:
            return False
        return any(bytes(value) != b"null" for value in (fields or {}).values())


def ask(session: Session, operation: str, query: str, kind: type[T], **variables: str | None) -> T:
    """Run a query and read its `data` as `kind`.

    Raises:
        MarketplaceError: One of its kinds; a throttled or half-answered query is asked again first.
    """
    shop: Shop = session.settings

    def read(response: Response) -> T:
        answer = _read(shop, operation, response)
        try:
            return msgspec.json.decode(answer.data, type=kind)
        except UNREADABLE as error:
            message = f"{response.what}: the answer is not what the API promises: {error}"
            raise ResponseInvalid(message) from None

    query_and_variables = {"query": query, "variables": variables}
    return session.client.request(operation, shop.graphql_url, read, json=query_and_variables)


def _read(shop: Shop, operation: str, response: Response) -> _Answer:
    served = response.headers.get("X-Shopify-API-Version", API_VERSION)
    if served != API_VERSION:
        message = f"{response.what}: served as version {served} instead of {API_VERSION}"
        raise ResponseInvalid(message, action="move the connector to a version that Shopify still supports")
    if reason := response.headers.get("X-Shopify-API-Deprecated-Reason"):
        shop.warn_once(f"{response.what}: uses something deprecated: {reason}")
    answer = response.decode(_Answer)
    if cost := answer.extensions.cost:
        now = cost.throttle_status
        shop.bucket.tell(
            operation,
            cost.requested_query_cost,
            now.currently_available,
            now.maximum_available,
            now.restore_rate,
        )
    if answer.errors:
        _raise_errors(shop, operation, response.what, answer)
    elif bytes(answer.data) == b"null":
        raise ResponseInvalid(f"{response.what}: answered with neither data nor errors")
    return answer


def _raise_errors(shop: Shop, operation: str, what: str, answer: _Answer) -> None:
    """Raise what the errors mean, or return where the data beside them is all that can be had."""
    if isinstance(answer.errors, str):
        raise RequestRejected(f"{what}: the call is refused")
    codes = {error.extensions.code for error in answer.errors}
    named = ", ".join(sorted(code for code in codes if code)) or "no code"
    if "THROTTLED" in codes:
        raise RateLimited(f"{what}: throttled", wait_s=max(1.0, shop.bucket.wait_s(operation)))
    if codes == {"ACCESS_DENIED"}:
        if not answer.has_data():
            action = "grant the app the scope this query needs"
            raise PermissionDenied(f"{what}: access is denied", action=action)
        shop.warn_once(f"{what}: some fields are withheld: the app lacks approval for them")
        return
    if any("cursor" in error.message.lower() for error in answer.errors):
        raise PageTokenExpired(f"{what}: the page token is not accepted")
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"} or answer.has_data():
        # Part of what was asked for is missing, so none of it is used.
        raise MarketplaceUnavailable(f"{what}: answered with errors ({named})")
    raise RequestRejected(f"{what}: the query is refused ({named})")
