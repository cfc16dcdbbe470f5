"""Amazon's listings as normalized records.

A listing is a SKU in one marketplace, with a price and a title of its own there: its id is
`SKU@marketplace`. Rows do not name their marketplace; `fields.within` adds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from orchestrator.marketplaces.amazon.attributes import Attributes
from orchestrator.marketplaces.amazon.fields import Amount, Row, amount_of, listing_id_of
from orchestrator.marketplaces.typed_rows import Rows
from orchestrator.marketplaces.unified.barcodes import barcodes_of
from orchestrator.marketplaces.unified.facts import ProductFacts
from orchestrator.marketplaces.unified.products import product_of
from orchestrator.marketplaces.unified.texts import text_of_html
from orchestrator.marketplaces.values import NO_DETAIL, Detail, Details, Instant, id_reader
from orchestrator.model.records.record import Attribute, Product, ProductStatus, Variant

#: The relationship of a variation to its parent.
_VARIATION = "VARIATION"


class _Image(Row):
    link: Annotated[object, str] = None


class _Summary(Row):
    marketplace_id: str = ""
    status: Annotated[object, list[str]] = None
    item_name: Annotated[object, str] = None
    asin: Annotated[object, str] = None
    product_type: Annotated[object, str] = None
    condition_type: Annotated[object, str] = None
    main_image: Annotated[object, _Image] = None
    created_date: Annotated[object, Instant] = None
    last_updated_date: Annotated[object, Instant] = None


class _Offer(Row):
    offer_type: str = ""
    price: Annotated[object, Amount] = None


class _Sku(Row):
    sku: str


class _Theme(Row):
    attributes: Annotated[object, list[str]] = None


class _Relationship(Row):
    type: str = ""
    parent_skus: Annotated[object, list[str]] = None
    variation_theme: Annotated[object, _Theme] = None


class _Related(Row):
    marketplace_id: str = ""
    relationships: Annotated[object, list[_Relationship]] = None


class _Listing(_Sku):
    summaries: tuple[_Summary, ...] = ()
    offers: tuple[_Offer, ...] = ()
    attributes: Detail = NO_DETAIL
    relationships: Annotated[object, list[_Related]] = None


class _ListingRow(msgspec.Struct):
    marketplace: str
    listing: _Listing


class _ListingRowId(msgspec.Struct):
    marketplace: str
    listing: _Sku


_rows = Rows(_ListingRow)


def product(raw: bytes, with_buyer: bool) -> Product:  # noqa: ARG001 - the contract's signature
    """A listing is a product with one variant, in one marketplace."""
    found = _rows.decode(raw)
    row, details, marketplace = found.listing, Details(), found.marketplace
    summary = _own(row.summaries, marketplace)
    words = details.part("status", summary.status, list[str])
    is_told = bool(row.summaries) and "status" not in details.warnings
    attributes = Attributes(details, row.attributes, marketplace)
    family = _family(details, row.relationships, marketplace)
    parents = details.items("parentSkus", family.parent_skus, str) or []
    html = attributes.text("product_description") or ""
    image = details.part("mainImage", summary.main_image, _Image) or _Image()
    facts = ProductFacts(
        id=listing_id_of(row.sku, marketplace),
        title=details.text("itemName", summary.item_name),
        status=_product_status(words or ()) if is_told else "unknown",
        marketplace_status=", ".join(sorted(words or ())),
        description="\n".join(filter(None, (text_of_html(html), *attributes.texts("bullet_point")))) or None,
        description_html=html if "<" in html else None,
        brand=attributes.text("brand"),
        product_type=details.text("productType", summary.product_type),
        image_urls=tuple(filter(None, (details.text("mainImage", image.link), *attributes.images()))),
        parent_id=listing_id_of(parents[0], marketplace) if parents else None,
        asin=details.text("asin", summary.asin),
        created_at=details.moment("createdDate", summary.created_date),
        updated_at=details.moment("lastUpdatedDate", summary.last_updated_date),
        variants=(_variant(details, found, summary, attributes, family),),
    )
    return product_of(facts, details)


@id_reader
def product_id(raw: bytes) -> str:
    """The listing's id."""
    row = msgspec.json.decode(raw, type=_ListingRowId)
    return listing_id_of(row.listing.sku, row.marketplace)


def _own(summaries: Sequence[_Summary], marketplace: str) -> _Summary:
    """The summary of a marketplace, else the first."""
    own = (each for each in summaries if each.marketplace_id == marketplace)
    return next(own, summaries[0] if summaries else _Summary())


def _variant(
    details: Details, found: _ListingRow, summary: _Summary, attributes: Attributes, family: _Relationship
) -> Variant:
    row = found.listing
    amount = next((offer.price for offer in row.offers if offer.offer_type == "B2C"), None)
    return Variant(
        id=listing_id_of(row.sku, found.marketplace),
        sku=row.sku,
        barcodes=barcodes_of(attributes.texts("externally_assigned_product_identifier")),
        options=_options(details, attributes, family),
        price=amount_of(details, "price", amount),
        list_price=attributes.list_price(),
        weight=attributes.weight(),
        condition=details.text("conditionType", summary.condition_type),
    )


def _family(details: Details, relationships: object, marketplace: str) -> _Relationship:
    """The variation family that a listing is a part of in a marketplace."""
    related = details.items("relationships", relationships, _Related) or []
    found = (
        each
        for place in related
        if place.marketplace_id == marketplace
        for each in details.items("relationships", place.relationships, _Relationship) or ()
    )
    return next((each for each in found if each.type == _VARIATION), _Relationship())


def _options(details: Details, attributes: Attributes, family: _Relationship) -> tuple[Attribute, ...]:
    """The listing's values of the attributes by which its family's members differ."""
    theme = details.part("variationTheme", family.variation_theme, _Theme) or _Theme()
    names = details.items("variationTheme", theme.attributes, str) or []
    found = ((name, attributes.text(name)) for name in names)
    return tuple(Attribute(name=name, value=value) for name, value in found if value)


def _product_status(words: Sequence[str]) -> ProductStatus:
    """BUYABLE and DISCOVERABLE can apply together, or neither: then the listing is not for sale."""
    if "BUYABLE" in words:
        return "active"
    return "inactive" if set(words) <= {"DISCOVERABLE"} else "unknown"
