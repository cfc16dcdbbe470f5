"""Shopify's GraphQL queries.

Page sizes keep a query's requested cost below Shopify's 1,000 points, even if every object counts as a
point, every connection as its size times its rows, and every list without a size as three.

`discountedTotalSet` leaves code discounts out unless it is asked for them, and order-level discounts always:
these are in `discountAllocations` alone (shopify.dev, LineItem 2026-10, and changelog of 2024-02-23).
"""

from __future__ import annotations

_PAGE_INFO = "pageInfo{hasNextPage endCursor}"
_MONEY = "{shopMoney{amount currencyCode}}"
_LINE = (
    "id sku title quantity currentQuantity variant{id} product{id} "
    f"originalUnitPriceSet{_MONEY} discountedTotalSet(withCodeDiscounts:true){_MONEY} "
    f"discountAllocations{{allocatedAmountSet{_MONEY}}}"
)
_VARIANT = "id sku barcode title price compareAtPrice"
_BUYER = (
    "email phone customer{displayName} "
    "shippingAddress{name phone address1 address2 city province zip countryCodeV2}"
)
_ORDER = (
    "id legacyResourceId name createdAt updatedAt cancelledAt test edited displayFinancialStatus "
    f"displayFulfillmentStatus totalPriceSet{_MONEY} currentTotalPriceSet{_MONEY} totalRefundedSet{_MONEY} "
    f"%s lineItems(first:5){{nodes{{{_LINE}}} {_PAGE_INFO}}}"
)
_PRODUCT = (
    "id legacyResourceId title status createdAt updatedAt "
    f"variants(first:40){{nodes{{{_VARIANT}}} {_PAGE_INFO}}}"
)
#: An inventory item has one variant for now; its field `variant` is deprecated.
_LEVEL = (
    "id updatedAt item{id sku tracked variants(first:1){nodes{id product{id}}}} location{id name} "
    'quantities(names:["available","on_hand","committed","reserved","incoming"]){name quantity}'
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


#: Rows of a page.
ORDERS_SIZE, PRODUCTS_SIZE, LEVELS_SIZE = 10, 20, 75
ORDERS = _orders(_ORDER % "", ORDERS_SIZE)
#: Asked only for connections that store personal data.
ORDERS_WITH_BUYER = _orders(_ORDER % _BUYER, ORDERS_SIZE)
BARE_ORDERS = _orders(_BARE, ORDERS_SIZE)
ORDER, ORDER_WITH_BUYER = _one("order", _ORDER % ""), _one("order", _ORDER % _BUYER)
LINES = (
    "query($id:ID!,$after:String){parent:order(id:$id){"
    f"rows:lineItems(first:55,after:$after){{nodes{{{_LINE}}} {_PAGE_INFO}}}}}}}"
)
PRODUCTS = _products(_PRODUCT, PRODUCTS_SIZE)
BARE_PRODUCTS = _products(_BARE, PRODUCTS_SIZE)
PRODUCT = _one("product", _PRODUCT)
VARIANTS = (
    "query($id:ID!,$after:String){parent:product(id:$id){"
    f"rows:variants(first:250,after:$after){{nodes{{{_VARIANT}}} {_PAGE_INFO}}}}}}}"
)
LEVELS = _levels(_LEVEL, LEVELS_SIZE)
BARE_LEVELS = _levels(_BARE_LEVEL, LEVELS_SIZE)
LEVEL = _one("inventoryLevel", _LEVEL)
SHOP = "{shop{name myshopifyDomain}}"
