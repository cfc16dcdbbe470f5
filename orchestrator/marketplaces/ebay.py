"""eBay: Fulfillment and Inventory v1; orders by modification time, the catalogue listed whole.

Source: eBay's own descriptions of Fulfillment 1.20.7 and Inventory 1.18.4, its pages on OAuth and on call
limits, read 2026-11-23. What is heeded:

- Orders come in no defined order and in pages by offset: one that is changed meanwhile leaves the window,
  and the next page would begin one row too late. So a window is cut into spans of time that fit one page,
  and the page token is ours: the next span. Bounds are inclusive, in milliseconds.
- A range reaches over two years at most. `creationdate` beside `lastmodifieddate` would win: never sent.
- `next` is a URL and is not followed: what follows is counted.
- The inventory's `offset` is a page's number. When its total changes between two pages, rows may have
  slipped: from there on rows are not counted as listed, and nothing is taken as vanished.
- Prices stand in offers, which are asked for one SKU at a time: a listing of N items costs 1.04 N calls
  (10,000 items some 30 minutes, and as many of the application's 2,000,000 inventory calls a day). Nothing
  tells which prices changed, so all are asked for. Stock needs no offers: N / 200 calls.
- Only what lives in the Inventory model is listed; the check says so.
- Calls a day are limited for the application, over all its sellers: 429 with error 2001 until midnight
  Pacific. Token exchanges too (50,000): tokens are shared by an instance's sessions for their two hours.
- Inventory calls need a language that eBay knows, or answer 400 with error 25709.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from orchestrator.errors import CredentialsRejected, PageTokenExpired, PermissionDenied, RequestRejected
from orchestrator.marketplaces import ebay_records as records
from orchestrator.marketplaces.auth import ExpiringToken, Token
from orchestrator.marketplaces.client import Client, Response
from orchestrator.marketplaces.ebay_spans import fetch_orders
from orchestrator.marketplaces.opening import Opening, Settings, read_credential, read_settings
from orchestrator.marketplaces.pacing import DailyQuota
from orchestrator.marketplaces.scrub import scrub
from orchestrator.marketplaces.spec import Connector, Page, Session, Sort, Stream, Window

T = TypeVar("T")

HOST = "api.ebay.com"
INVENTORY = f"https://{HOST}/sell/inventory/v1"
TOKEN_URL = f"https://{HOST}/identity/v1/oauth2/token"
#: Inventory items on a page of stock, and of products: of those each costs a call more.
STOCK_ITEMS, PRODUCT_ITEMS = 200, 25
#: Midnight Pacific standard time; an hour past midnight while daylight saving lasts there.
DAY_BEGINS = timedelta(hours=8)
#: Sellers' HTML, up to half a megabyte an offer; nothing of it is stored.
_LARGE_FIELDS = frozenset({"listingDescription"})
#: Access tokens of this process, by what they were exchanged for.
_tokens: dict[str, Token] = {}
_MOST_TOKENS = 2000

#: What buyers read on each site, as a header's value.
LANGUAGES = {
    **{f"EBAY_{site}": f"en-{site}" for site in ("AU", "CA", "GB", "IE", "MY", "PH", "SG", "US")},
    **{f"EBAY_{site}": f"de-{site}" for site in ("AT", "CH", "DE")},
    **{f"EBAY_{site}": f"nl-{site}" for site in ("BE", "NL")},
    **{"EBAY_ES": "es-ES", "EBAY_FR": "fr-FR", "EBAY_IT": "it-IT", "EBAY_PL": "pl-PL"},
    **{"EBAY_HK": "zh-HK", "EBAY_TW": "zh-TW", "EBAY_TH": "th-TH", "EBAY_VN": "vi-VN"},
    "EBAY_MOTORS_US": "en-US",
}


class NoOffers(RequestRejected):
    """The SKU has no offers, or is one that eBay takes no questions about."""


class SiteSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    #: The site whose offers give the prices, such as `EBAY_GB`. Orders come from all sites.
    marketplace_id: str

    def __post_init__(self) -> None:
        """Refuse what is not one of eBay's sites."""
        if self.marketplace_id not in LANGUAGES:
            raise ValueError(f"marketplace_id takes one of {', '.join(sorted(LANGUAGES))}")


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content."""

    client_id: str
    client_secret: str
    #: Lives 18 months and is not replaced on use.
    refresh_token: str


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: int


class _Items(msgspec.Struct):
    total: int
    items: list[msgspec.Raw] = msgspec.field(default=[], name="inventoryItems")


class _Offers(msgspec.Struct):
    offers: list[msgspec.Raw] = []


class _Error(msgspec.Struct):
    error_id: int | None = msgspec.field(default=None, name="errorId")


class _Errors(msgspec.Struct):
    errors: list[_Error] = []
    #: The token endpoint's word.
    error: str | None = None


def fetch_products(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """Inventory items, each with its offers on the connection's site."""
    page = _items(session, token, PRODUCT_ITEMS)
    rows = [records.offered(raw, _offers_of(session, raw)) for raw in page.records]
    return Page(rows, page.next_token, page.total, page.listed)


def fetch_inventory(session: Session, window: Window, token: str | None) -> Page:  # noqa: ARG001 - all are listed
    """What inventory items say of their stock, one record a location."""
    page = _items(session, token, STOCK_ITEMS)
    levels = [level for raw in page.records for level in records.split_by_location(raw)]
    return Page(levels, page.next_token, page.total, page.listed)


def _items(session: Session, token: str | None, size: int) -> Page:
    """A page of inventory items; the token is its number, and the total that the first page told."""
    try:
        number, told = map(int, token.split("/")) if token else (0, None)
    except ValueError:
        raise PageTokenExpired("ebay inventory_items: the page token is not one of ours") from None
    params = [("limit", str(size)), ("offset", str(number))]
    listing = _ask(session, "inventory_items", "inventory_item", _Items, params)
    total = listing.total if told is None else told
    is_last = (number + 1) * size >= listing.total or not listing.items
    return Page(
        [bytes(item) for item in listing.items],
        None if is_last else f"{number + 1}/{total}",
        total=total,
        listed=len(listing.items) if listing.total == total else 0,
    )


def _offers_of(session: Session, item: bytes) -> list[bytes]:
    sku = records.sku_of(item)
    if sku is None:
        return []
    params = [("sku", sku), ("marketplace_id", session.settings.marketplace_id)]
    try:
        offers = _ask(session, "offers", "offer", _Offers, params).offers
    except NoOffers:
        return []
    return [scrub(bytes(offer), _LARGE_FIELDS) for offer in offers]


def _ask(session: Session, operation: str, resource: str, kind: type[T], params: list[tuple[str, str]]) -> T:
    return session.client.request(
        operation,
        f"{INVENTORY}/{resource}",
        lambda response: response.decode(kind),
        params=params,
        headers={"Accept-Language": LANGUAGES[session.settings.marketplace_id]},
    )


def open_session(opening: Opening) -> Session:
    """Read settings and secret; no call is made yet."""
    settings = read_settings(opening, SiteSettings)
    credential = read_credential(opening, Credential)
    basis = msgspec.json.encode([settings.base_url, credential], order="deterministic")
    key = hashlib.sha256(basis).hexdigest()
    pair = f"{credential.client_id}:{credential.client_secret}".encode()
    basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    # Without `scope`, the token may do what the seller has consented to.
    form = {"grant_type": "refresh_token", "refresh_token": credential.refresh_token}

    def exchange(client: Client) -> Token:
        granted = client.request(
            "token",
            TOKEN_URL,
            lambda response: response.decode(_Granted),
            form=form,
            headers=basic,
            authenticated=False,
            # A refresh token that is dead or another application's.
            errors={400: CredentialsRejected},
        )
        token = Token(granted.access_token, now() + timedelta(seconds=granted.expires_in))
        if len(_tokens) >= _MOST_TOKENS:
            _tokens.clear()
        _tokens[key] = token
        return token

    now = opening.clock.now
    client = Client(
        opening,
        marketplace="ebay",
        hosts=frozenset({HOST}),
        auth=ExpiringToken("Authorization", "Bearer ", exchange, now, _tokens.get(key)),
        pace=DailyQuota(
            opening.clock,
            quota_of=lambda operation: operation if operation in ("orders", "token") else "inventory",
            is_used_up=lambda response: error_code(response) == "2001",
            day_begins=DAY_BEGINS,
            reset="X-EBAY-C-RATELIMIT-RESET",
        ),
        # No offer of this SKU; a SKU with characters that only listings made elsewhere may have.
        errors={"25713": NoOffers, "25707": NoOffers, "1100": PermissionDenied},
        error_code=error_code,
        base_url=settings.base_url,
    )
    return Session(client, settings, opening.connection.store_buyer_pii)


def error_code(response: Response) -> str | None:
    """The first error's number, or the token endpoint's word for it."""
    try:
        answer = msgspec.json.decode(response.body, type=_Errors)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if answer.errors and answer.errors[0].error_id is not None:
        return str(answer.errors[0].error_id)
    word = answer.error or ""
    return word if word.isascii() and word.replace("_", "").isalpha() and len(word) < 40 else None


def check(session: Session) -> str:
    """Count the inventory items the credential opens."""
    listing = _ask(session, "inventory_items", "inventory_item", _Items, [("limit", "1"), ("offset", "0")])
    return (
        f"ebay: {session.settings.marketplace_id}, {listing.total} inventory items; "
        "listings made outside the Inventory model are not seen until they are migrated to it"
    )


CONNECTOR = Connector(
    marketplace="ebay",
    streams={
        "orders": Stream(
            name="orders",
            sort=Sort.INCREMENTAL,
            fetch=fetch_orders,
            normalize=records.order,
            identify=records.order_id,
            version=1,
            age=timedelta(minutes=2),
            durable_token=True,
            remembers_all=False,
            # After 90 days buyers are masked: what was stored before is not read again without need.
            long_span=timedelta(days=30),
        ),
        "products": Stream(
            name="products",
            sort=Sort.SNAPSHOT,
            fetch=fetch_products,
            normalize=records.product,
            identify=records.product_id,
            version=1,
            age=timedelta(0),
            durable_token=True,
        ),
        "inventory": Stream(
            name="inventory",
            sort=Sort.SNAPSHOT,
            fetch=fetch_inventory,
            normalize=records.level,
            identify=records.level_id,
            version=1,
            age=timedelta(0),
            durable_token=False,
        ),
    },
    epoch=datetime(1995, 9, 3, tzinfo=UTC),
    open=open_session,
    check=check,
    personal_fields=records.PERSONAL_FIELDS,
)
