"""Shopify's GraphQL queries.

Page sizes keep a query's requested cost below Shopify's 1,000 points, even if every object counts as a
point, every connection as two and its size times its rows, and every list without a size as three: `POINTS`.

Shopify runs a query once its requested cost is available, and gives back what it has not cost
(shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits, read 2026-11-29). So a query waits for the pages
that it asks for, not for the rows that come. The parcels and refunds of an order request 75 points, and cost
14 with one parcel of three lines: with small first pages 13 orders share one query and one answer.

`discountedTotalSet` is not asked for. It leaves out code discounts unless it is asked for them, and those of
the whole order always: these are in `discountAllocations` alone (shopify.dev, LineItem 2026-10, and changelog
of 2024-02-23).
"""

from __future__ import annotations

from collections.abc import Mapping

_PAGE_INFO = "pageInfo{hasNextPage endCursor}"
_MONEY = "{shopMoney{amount currencyCode}}"
_BAG = "{shopMoney{amount currencyCode} presentmentMoney{amount currencyCode}}"
_LINE = (
    "id sku title variantTitle quantity currentQuantity requiresShipping isGiftCard "
    "variant{id} product{id} lineItemGroup{id} "
    f"originalUnitPriceSet{_MONEY} discountAllocations{{allocatedAmountSet{_MONEY}}} "
    f"taxLines{{priceSet{_MONEY} channelLiable}}"
)
#: A line with the buyer's own words.
_LINE_WITH_BUYER = f"{_LINE} customAttributes{{key value}}"
_FULFILLMENT = (
    "id status displayStatus createdAt inTransitAt deliveredAt totalQuantity "
    "trackingInfo(first:%d){company number url} service{type} location{id}"
)
_REFUND = f"id createdAt note totalRefundedSet{_MONEY}"
#: An image's address is on its `MediaImage` alone: videos and models are media too. A variant names its image
#: by id; `ProductVariant.image` and `Product.images` are deprecated.
_MEDIA = "id ...on MediaImage{image{url}}"
_VARIANT = (
    "id sku barcode title price compareAtPrice taxable inventoryPolicy selectedOptions{name value} "
    "media(first:1){nodes{id}} inventoryItem{id tracked requiresShipping unitCost{amount currencyCode} "
    "measurement{weight{value unit}}}"
)
_PLACE = "shippingAddress{countryCodeV2 provinceCode}"
_BUYER = (
    "email phone note customer{displayName} shippingAddress"
    "{name company phone address1 address2 city province provinceCode zip countryCodeV2}"
)


def _order(line: str, people: str) -> str:
    """The fields of an order, with its first lines, parcels and refunds."""
    return (
        "id legacyResourceId name createdAt updatedAt cancelledAt cancelReason test edited "
        "displayFinancialStatus displayFulfillmentStatus returnStatus sourceName "
        "attribution{handle displayName} tags discountCodes paymentGatewayNames taxesIncluded "
        f"totalPriceSet{_BAG} currentTotalPriceSet{_BAG} "
        f"totalTaxSet{_MONEY} currentTotalTaxSet{_MONEY} totalRefundedSet{_MONEY} "
        f"shippingLine{{title discountedPriceSet{_MONEY}}} {people} "
        f"lineItems(first:5){{nodes{{{line}}} {_PAGE_INFO}}} "
        f"fulfillments(first:2){{{_FULFILLMENT % 2}}} refunds(first:2){{{_REFUND}}}"
    )


_ORDER, _ORDER_WITH_BUYER = _order(_LINE, _PLACE), _order(_LINE_WITH_BUYER, _BUYER)
#: The fields of a product that cost no point.
_PRODUCT = (
    "id legacyResourceId title status vendor productType createdAt updatedAt publishedAt onlineStoreUrl"
)
_LISTED_PRODUCT = f"{_PRODUCT} variantsCount{{count}}"
#: Rows of a product's connections that come with it. A product has three options at most.
FIRST_IMAGES, FIRST_VARIANTS = 10, 10
_WHOLE_PRODUCT = (
    f"{_PRODUCT} descriptionHtml tags category{{id fullName}} options(first:3){{name values}} "
    f"media(first:{FIRST_IMAGES}){{nodes{{{_MEDIA}}} {_PAGE_INFO}}} "
    f"variants(first:{FIRST_VARIANTS}){{nodes{{{_VARIANT}}} {_PAGE_INFO}}}"
)
#: An inventory item has one variant for now; its field `variant` is deprecated.
_LEVEL = (
    "id updatedAt item{id sku tracked variants(first:1){nodes{id product{id}}}} location{id name} "
    'quantities(names:["available","on_hand","committed","reserved","incoming",'
    '"damaged","safety_stock","quality_control"]){name quantity}'
)
#: The id and the time of a row, for a page that fails with all its fields.
_BARE = "id updatedAt"
_BARE_LEVEL = "id updatedAt item{id} location{id}"


def _orders(fields: str, size: int) -> str:
    return (
        "query($q:String!,$after:String){"
        f"rows:orders(first:{size},after:$after,sortKey:UPDATED_AT,query:$q)"
        f"{{nodes{{{fields}}} {_PAGE_INFO}}}}}"
    )


def _products(fields: str, size: int) -> str:
    return (
        "query($q:String!,$after:String){shop{currencyCode} "
        f"rows:products(first:{size},after:$after,sortKey:UPDATED_AT,query:$q)"
        f"{{nodes{{{fields}}} {_PAGE_INFO}}}}}"
    )


def _levels(fields: str, size: int) -> str:
    """One location, one page of its levels."""
    return (
        "query($q:String!,$location:String,$after:String){"
        "rows:locations(first:1,after:$location,sortKey:ID,includeInactive:true,includeLegacy:true){"
        f"nodes{{inventoryLevels(first:{size},after:$after,query:$q){{nodes{{{fields}}} {_PAGE_INFO}}}}} "
        f"{_PAGE_INFO}}}}}"
    )


def _one(kind: str, fields: str) -> str:
    return f"query($id:ID!){{row:{kind}(id:$id){{{fields}}}}}"


def _several(kind: str, fields: str) -> str:
    """Nodes of one kind by their ids."""
    return f"query($ids:[ID!]!){{rows:nodes(ids:$ids){{...on {kind}{{{fields}}}}}}}"


#: Rows of a page.
ORDERS_SIZE, PRODUCTS_SIZE, LEVELS_SIZE = 5, 250, 65
ORDERS = _orders(_ORDER, ORDERS_SIZE)
#: Asked only for connections that store personal data.
ORDERS_WITH_BUYER = _orders(_ORDER_WITH_BUYER, ORDERS_SIZE)
BARE_ORDERS = _orders(_BARE, ORDERS_SIZE)
ORDER, ORDER_WITH_BUYER = _one("order", _ORDER), _one("order", _ORDER_WITH_BUYER)


def _later(parent: str, rows: str, size: int, fields: str) -> str:
    """Further rows of a parent's connection."""
    return (
        f"query($id:ID!,$after:String){{parent:{parent}(id:$id){{"
        f"rows:{rows}(first:{size},after:$after){{nodes{{{fields}}} {_PAGE_INFO}}}}}}}"
    )


LINES = _later("order", "lineItems", 30, _LINE)
LINES_WITH_BUYER = _later("order", "lineItems", 30, _LINE_WITH_BUYER)
_PARCEL_LINE = "quantity lineItem{id}"
_REFUND_LINE = f"quantity restockType lineItem{{id}} subtotalSet{_MONEY}"
_DEADLINE = "status fulfillBy"


def _parcel(size: int, tracking: int) -> str:
    """A parcel with its first lines and tracking numbers."""
    lines = f"fulfillmentLineItems(first:{size}){{nodes{{{_PARCEL_LINE}}} {_PAGE_INFO}}}"
    return f"{_FULFILLMENT % tracking} {lines}"


def _refund(size: int) -> str:
    """A refund with its first lines."""
    return f"{_REFUND} refundLineItems(first:{size}){{nodes{{{_REFUND_LINE}}} {_PAGE_INFO}}}"


#: The orders whose parcels and refunds are asked for at once, and the parcels and refunds that their own
#: pages hold. Most orders have one or two parcels of few lines, and one refund at most. The lists have no
#: cursor, so the ids of a few more are asked for: if as many come, all ids are.
ORDER_DETAILS_SIZE, PARCEL_IDS_SIZE, REFUND_IDS_SIZE, FIRST_TRACKING = 13, 8, 5, 3
ORDER_DETAILS = _several(
    "Order",
    f"id fulfillments(first:2){{{_parcel(5, FIRST_TRACKING)}}} refunds(first:1){{{_refund(5)}}} "
    f"parcelIds:fulfillments(first:{PARCEL_IDS_SIZE}){{id}} refundIds:refunds(first:{REFUND_IDS_SIZE}){{id}}",
)
ORDER_DETAIL_IDS = _one("order", "parcelIds:fulfillments(first:250){id} refundIds:refunds(first:250){id}")
#: The parcels and refunds that are asked for at once: those that did not come whole with their orders.
PARCELS_SIZE, REFUNDS_SIZE = 19, 20
PARCELS, REFUNDS = _several("Fulfillment", _parcel(20, 5)), _several("Refund", _refund(10))
PARCEL_LINES = _later("fulfillment", "fulfillmentLineItems", 250, _PARCEL_LINE)
REFUND_LINES = _later("refund", "refundLineItems", 200, _REFUND_LINE)
#: Asked only by the setting `fulfillment_orders`: they need further access scopes.
DEADLINES_SIZE = 100
DEADLINES = _several("Order", f"id rows:fulfillmentOrders(first:6){{nodes{{{_DEADLINE}}} {_PAGE_INFO}}}")
LATER_DEADLINES = _later("order", "fulfillmentOrders", 50, _DEADLINE)
PRODUCTS = _products(_LISTED_PRODUCT, PRODUCTS_SIZE)
BARE_PRODUCTS = _products(_BARE, PRODUCTS_SIZE)
PRODUCT = _one("product", _LISTED_PRODUCT)
#: The products that are asked for at once.
WHOLE_PRODUCTS_SIZE = 7
WHOLE_PRODUCTS = _several("Product", _WHOLE_PRODUCT)
#: The further images and variants of a product; it has 250 media and 2,048 variants at most.
IMAGES = _later("product", "media", 250, _MEDIA)
VARIANTS_SIZE = 85
VARIANTS = _later("product", "variants", VARIANTS_SIZE, _VARIANT)
LEVELS = _levels(_LEVEL, LEVELS_SIZE)
BARE_LEVELS = _levels(_BARE_LEVEL, LEVELS_SIZE)
LEVEL = _one("inventoryLevel", _LEVEL)
SHOP = "{shop{name myshopifyDomain}}"

#: The expected requested cost of each query. Shopify may count fewer points: how it counts lists that are no
#: connections is not documented.
POINTS: Mapping[str, int] = {
    ORDERS: 782,
    ORDERS_WITH_BUYER: 862,
    BARE_ORDERS: 7,
    ORDER: 156,
    ORDER_WITH_BUYER: 172,
    LINES: 723,
    LINES_WITH_BUYER: 813,
    ORDER_DETAILS: 975,
    ORDER_DETAIL_IDS: 501,
    PARCELS: 950,
    PARCEL_LINES: 503,
    REFUNDS: 900,
    REFUND_LINES: 803,
    DEADLINES: 900,
    LATER_DEADLINES: 53,
    PRODUCTS: 503,
    BARE_PRODUCTS: 253,
    PRODUCT: 2,
    WHOLE_PRODUCTS: 973,
    IMAGES: 503,
    VARIANTS: 938,
    LEVELS: 655,
    BARE_LEVELS: 200,
    LEVEL: 10,
    SHOP: 1,
}
