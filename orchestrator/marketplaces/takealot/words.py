"""Takealot's words for the state of a sale and of an offer.

`sale_status` is a text that no document lists whole. The words are those that public material shows: the
example of the OpenAPI description of v1 (1.0.0), palmetrics.notion.site (webhooks), and the code and logs of
sellers' tools for v2, read 2026-11-28. v1 also writes them in snake case. A word that is not in the table is
`unknown`: a part of a word tells nothing, as "Undelivered" shows.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeVar

from orchestrator.marketplaces.values import Details
from orchestrator.model.records.record import FulfillmentStatus, OrderStatus, PaymentStatus, ProductStatus

S = TypeVar("S", OrderStatus, ProductStatus)

#: A word with more characters is not known.
_LONGEST = 100

_SALE: dict[str, OrderStatus] = {
    **dict.fromkeys(("pending", "pending payment", "payment pending", "unpaid"), "pending"),
    # The seller has to bring a lead-time order to Takealot, in a shipment that is first a draft.
    **dict.fromkeys(("new lead time order", "new leadtime order", "draft shipment"), "open"),
    **dict.fromkeys(("new drop ship order", "new dropship order"), "open"),
    # Takealot packs it, or moves it between its distribution centres first.
    **dict.fromkeys(("preparing for customer", "preparing", "inter dc transfer"), "open"),
    **dict.fromkeys(("shipped to customer", "shipped"), "fulfilled"),
    **dict.fromkeys(
        ("delivered to customer", "delivered", "collected by customer", "collected"), "fulfilled"
    ),
    **dict.fromkeys(("completed", "complete"), "fulfilled"),
    **dict.fromkeys(("cancelled", "cancelled by customer", "cancelled by takealot"), "cancelled"),
    **dict.fromkeys(("cancelled by seller", "cancelled by takealot dc stock inquiry"), "cancelled"),
    **dict.fromkeys(("cancelled late delivery", "cancelled inbound exception"), "cancelled"),
    # It reached neither the customer nor Takealot again.
    "lost in transit": "cancelled",
    "returned": "returned",
    "refunded": "refunded",
}
#: Items that the seller has to bring to Takealot, or to send.
_TO_BRING = frozenset(
    {
        "new lead time order",
        "new leadtime order",
        "draft shipment",
        "new drop ship order",
        "new dropship order",
    }
)
#: The shipment of an order with such a status.
FULFILLMENT: dict[OrderStatus, FulfillmentStatus] = {
    "pending": "unfulfilled",
    "open": "unfulfilled",
    "partially_fulfilled": "partially_fulfilled",
    "fulfilled": "fulfilled",
    "cancelled": "cancelled",
    "returned": "returned",
    "refunded": "unknown",
    "unknown": "unknown",
}
_OFFER: dict[str, ProductStatus] = {
    "buyable": "active",
    "not buyable": "inactive",
    "disabled by seller": "inactive",
    "disabled by takealot": "inactive",
}


def sale_status(word: str, details: Details) -> OrderStatus:
    """The status of one item of an order; a word that is not known is named."""
    return _known(_SALE.get(_plain(word), "unknown"), "sale_status", word, details)


def is_to_bring(word: str) -> bool:
    """Whether the seller has to bring the item to Takealot, or to send it."""
    return _plain(word) in _TO_BRING


def offer_status(word: str, details: Details) -> ProductStatus:
    """The status of an offer; a word that is not known is named."""
    return _known(_OFFER.get(_plain(word), "unknown"), "status", word, details)


def order_status(statuses: set[OrderStatus]) -> OrderStatus:
    """One status for all items: a cancelled item counts only if all are cancelled."""
    left = statuses - {"cancelled"} or {"cancelled"}
    if len(left) == 1:
        return left.pop()
    if "unknown" in left:
        return "unknown"
    if "fulfilled" in left:
        return "partially_fulfilled" if left & {"open", "pending"} else "fulfilled"
    return "open" if "open" in left else "pending" if "pending" in left else "returned"


def payment_of(status: OrderStatus, statuses: set[OrderStatus]) -> PaymentStatus:
    """The state of an order's payment, from the order's status and its items'."""
    if status in {"pending", "refunded", "unknown"}:
        return status
    if status == "cancelled":
        return "unknown"
    return "partially_refunded" if "refunded" in statuses else "paid"


def _known(status: S, name: str, word: str, details: Details) -> S:
    if status == "unknown" and word:
        details.unknown(name, word)
    elif status == "unknown":
        details.note(name)
    return status


def _plain(word: str) -> str:
    """The word in lower case, with one blank for each run of blanks, hyphens and underscores.

    Empty if it is too long to be known.
    """
    return _short(word) if len(word) <= _LONGEST else ""


# Sales repeat a few words. Long ones, none of which is known, would stay in memory.
@lru_cache(maxsize=256)
def _short(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word).strip().lower()
