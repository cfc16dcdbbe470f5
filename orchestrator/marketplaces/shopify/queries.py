"""Shopify's GraphQL queries.

Page sizes keep a query's requested cost below Shopify's 1,000 points, even if every object counts as a
point and every connection as its size times its rows.
"""

from __future__ import annotations

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
