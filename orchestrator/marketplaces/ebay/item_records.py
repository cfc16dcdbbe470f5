"""eBay's inventory items with their offers as normalized records.

Source: eBay's own description of Inventory 1.18.4, read 2026-11-28. A detail that cannot be read is null, and
is named in the record's `warnings`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.marketplaces.ebay.order_amounts import money_of
from orchestrator.marketplaces.ebay.order_rows import Amount, Row
from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.unified.barcodes import barcodes_of
from orchestrator.marketplaces.unified.facts import ProductFacts
from orchestrator.marketplaces.unified.products import product_of, weight_of
from orchestrator.marketplaces.unified.texts import DESCRIPTION_HTML_BYTES
from orchestrator.marketplaces.values import Details, Instant, Number, id_at, plain_text
from orchestrator.model.records.record import Product, ProductStatus, Variant, Weight

#: The states of a published offer, by ListingStatusEnum.
LISTINGS: dict[str, ProductStatus] = {
    "ACTIVE": "active",
    "OUT_OF_STOCK": "active",
    "ENDED": "inactive",
    "EBAY_ENDED": "inactive",
    "INACTIVE": "inactive",
    "NOT_LISTED": "inactive",
}
#: The product's status is the first of these among its offers'.
_FIRST: tuple[ProductStatus, ...] = ("active", "unknown", "inactive", "draft")
#: Sites whose address is not `www.ebay.` with the code of their country.
_DOMAINS = {
    **dict.fromkeys(("US", "MOTORS_US"), "com"),
    "GB": "co.uk",
    **{site: f"com.{site.lower()}" for site in ("AU", "HK", "MY", "SG")},
}
#: Sites of which no address of their own is sure; each listing is shown on the first site too.
_NO_DOMAIN = frozenset({"TH", "TW", "VN", "BE"})


class _CatalogueEntry(Row, frozen=True):
    title: Any = None
    description: Any = None
    brand: Any = None
    #: Lists of values by name.
    aspects: Any = None
    image_urls: Any = None
    ean: Any = None
    upc: Any = None
    isbn: Any = None


class _Weight(Row, frozen=True):
    value: Number
    unit: str


class _Package(Row, frozen=True):
    weight: _Weight | None = None


class _Item(Row, frozen=True, kw_only=True):
    sku: str
    condition: Any = None
    #: The listing with several variations that the item is a part of.
    inventory_item_group_keys: Any = None
    group_ids: Any = None
    package_weight_and_size: Annotated[object, _Package] = None
    product: _CatalogueEntry = _CatalogueEntry()


class _Listing(Row, frozen=True):
    listing_id: str | None = None
    listing_status: str | None = None


class _Prices(Row, frozen=True):
    price: Annotated[object, Amount] = None
    original_retail_price: Annotated[object, Amount] = None


class _Offer(Row, frozen=True, kw_only=True):
    offer_id: str
    status: str
    marketplace_id: Any = None
    category_id: Any = None
    #: Paths such as `/Fashion/Men/Shirts`.
    store_category_names: Any = None
    listing_start_date: Annotated[object, Instant] = None
    listing_description: Any = None
    listing: _Listing = _Listing()
    pricing_summary: Annotated[object, _Prices] = None


class _Offered(msgspec.Struct):
    """An inventory item with its offers; our own format, made by `offered`."""

    item: _Item
    offers: list[_Offer]


_rows = Rows(_Offered)
product_id = id_at("item", "sku", kind=str)
_sku = id_at("sku", kind=str)


def sku_of(item: bytes) -> str | None:
    """The SKU of an inventory item; None if it is empty or cannot be read."""
    return _sku(item) or None


def shortened(offer: msgspec.Raw) -> bytes:
    """An offer with no more of the seller's HTML than a record keeps: it may be half a megabyte.

    One character more is left, so that the record says that it is cut.
    """
    if len(bytes(offer)) <= DESCRIPTION_HTML_BYTES:
        return bytes(offer)
    try:
        fields = msgspec.json.decode(offer, type=dict[str, msgspec.Raw])
        markup = msgspec.json.decode(fields.get("listingDescription", b'""'), type=str)
    except UNREADABLE:
        return bytes(offer)
    cut = msgspec.json.encode(markup[: DESCRIPTION_HTML_BYTES + 1])
    return msgspec.json.encode({**fields, "listingDescription": msgspec.Raw(cut)})


def offered(item: bytes, offers: list[bytes]) -> bytes:
    """An inventory item and its offers as one record."""
    return b'{"item":' + item + b',"offers":[' + b",".join(offers) + b"]}"


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """An inventory item is a product; its offers are the variants, or the item itself if it has no offer."""
    row, details = _rows.decode(raw), Details()
    item = row.item
    offers = sorted(row.offers, key=lambda offer: _FIRST.index(_offer_status(offer)))
    main = offers[0] if offers else None
    words = sorted({f"{offer.status}/{offer.listing.listing_status or 'none'}" for offer in offers})
    found = (_variant(details, item, offer) for offer in row.offers)
    variants = {variant.id: variant for variant in found}
    title = details.text("title", item.product.title)
    facts = ProductFacts(
        id=item.sku,
        title=plain_text(title) if title else None,
        status=_offer_status(main) if main else "draft",
        marketplace_status=", ".join(words) or "no offer",
        description_html=_description(details, item, main),
        brand=_brand(details, item.product),
        category=_first(details, "category", main and main.store_category_names),
        category_id=details.text("category_id", main and main.category_id),
        url=_url(details, main) if main else None,
        image_urls=details.part("image_urls", item.product.image_urls, tuple[str, ...]) or (),
        parent_id=_first(details, "parent_id", item.inventory_item_group_keys)
        or _first(details, "parent_id", item.group_ids),
        published_at=details.moment("published_at", main and main.listing_start_date),
        variants=tuple(variants.values()) or (_variant(details, item, None),),
    )
    return product_of(facts, details)


def _variant(details: Details, item: _Item, offer: _Offer | None) -> Variant:
    told = details.part("variants.price", offer.pricing_summary, _Prices) if offer else None
    prices = told or _Prices()
    numbers = (
        number
        for each in (item.product.ean, item.product.upc, item.product.isbn)
        for number in details.part("variants.barcode", each, tuple[str, ...]) or ()
    )
    return Variant(
        # Order lines name the listing, so it joins them to the variant.
        id=(offer.listing.listing_id or offer.offer_id) if offer else item.sku,
        sku=item.sku,
        barcodes=barcodes_of(numbers),
        price=money_of(details, "variants.price", prices.price),
        list_price=money_of(details, "variants.list_price", prices.original_retail_price),
        weight=_weight(details, item),
        condition=details.text("variants.condition", item.condition),
        url=_url(details, offer) if offer else None,
        status=_offer_status(offer) if offer else None,
    )


def _offer_status(offer: _Offer) -> ProductStatus:
    if offer.status == "UNPUBLISHED":
        return "draft"
    if offer.status != "PUBLISHED":
        return "unknown"
    return LISTINGS.get(offer.listing.listing_status or "ACTIVE", "unknown")


def _description(details: Details, item: _Item, offer: _Offer | None) -> str | None:
    """The listing's description; eBay shows the item's own if the listing has none."""
    own = details.text("description", offer and offer.listing_description)
    return own or details.text("description", item.product.description)


def _brand(details: Details, entry: _CatalogueEntry) -> str | None:
    brand = details.text("brand", entry.brand)
    if brand is None and isinstance(entry.aspects, dict):
        brand = _first(details, "brand", entry.aspects.get("Brand"))
    return plain_text(brand) if brand else None


def _weight(details: Details, item: _Item) -> Weight | None:
    package = details.part("variants.weight", item.package_weight_and_size, _Package)
    if package is None or package.weight is None:
        return None
    told = package.weight
    return details.read("variants.weight", weight_of, told.value, told.unit)


def _url(details: Details, offer: _Offer) -> str | None:
    """The listing's page on its site."""
    if not offer.listing.listing_id:
        return None
    site = (details.text("url", offer.marketplace_id) or "EBAY_US").removeprefix("EBAY_")
    is_known = site in _DOMAINS or (len(site) == 2 and site not in _NO_DOMAIN)
    domain = _DOMAINS.get(site, site.lower()) if is_known else "com"
    return f"https://www.ebay.{domain}/itm/{offer.listing.listing_id}"


def _first(details: Details, name: str, value: object) -> str | None:
    found = details.part(name, value, tuple[str, ...])
    return found[0] if found else None
