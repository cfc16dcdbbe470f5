"""The source of each field of Shopify's records, in Shopify's own words. Documentation only.

No code reads it. Admin GraphQL 2026-10. A field that is not listed is not available on Shopify. A fact that
the descriptions do not state is named "unconfirmed".
"""

from __future__ import annotations

from collections.abc import Mapping

_ORDERS = {
    "id": "legacyResourceId",
    "number": "name",
    "status": "derived",
    "payment_status": "displayFinancialStatus; EXPIRED is `pending`, VOIDED is `voided`",
    "fulfillment_status": "displayFulfillmentStatus; `returned` if returnStatus is RETURNED and none left",
    "marketplace_status": "displayFinancialStatus/displayFulfillmentStatus",
    "fulfilled_by": "fulfillments[].service.type; `unknown` before a parcel",
    "to_ship": "derived",
    "sales_channel": "attribution.handle, else attribution.displayName, else sourceName",
    "created_at": "createdAt",
    "updated_at": "updatedAt",
    "cancelled_at": "cancelledAt",
    "cancel_reason": "cancelReason",
    "ship_by": "fulfillmentOrders[].fulfillBy, the earliest that is still to send; only with the setting "
    "`fulfillment_orders`, by a call more for up to 100 orders that are not sent yet (that an order's "
    "updatedAt moves with it is unconfirmed)",
    "shipping_method": "shippingLine.title",
    "currency": "totalPriceSet.shopMoney.currencyCode",
    "taxes_included": "taxesIncluded",
    "subtotal": "the sum of the lines' subtotal",
    "discount_total": "the sum of the lines' discount; discounts on shipping are taken off shipping_total",
    "shipping_total": "shippingLine.discountedPriceSet; 0 without a shipping line",
    "other_total": "derived: tips, duties and the like",
    "tax_total": "totalTaxSet; currentTotalTaxSet of an edited order without refunds",
    "marketplace_tax": "the sum of the lines' marketplace_tax; that of shipping is not told",
    "total": "totalPriceSet; currentTotalPriceSet of an edited order without refunds (that edits leave "
    "totalPriceSet as it was is unconfirmed)",
    "refunded": "totalRefundedSet",
    "net": "currentTotalPriceSet without marketplace_tax",
    "net_micros": "derived",
    "presentment_total": "total's presentmentMoney, if its currency differs",
    "destination": "shippingAddress.countryCodeV2, provinceCode and zip (whether the country alone needs "
    "approval for protected customer data is unconfirmed)",
    "skus": "lineItems[].sku",
    "tags": "tags",
    "discount_codes": "discountCodes",
    "payment_methods": "paymentGatewayNames",
    "test": "test",
    "lines": "lineItems[]",
    "fulfillments": "fulfillments[]; a call more for each 13 changed orders that have a refund, or not all "
    "lines in one parcel",
    "refunds": "refunds[] with an amount, by the same call",
    "buyer": "shippingAddress, customer, email, phone, note",
}
_LINES = {
    "id": "id",
    "sku": "sku",
    "product_id": "product.id",
    "variant_id": "variant.id",
    "title": "title",
    "variant_title": "variantTitle",
    "quantity": "quantity; currentQuantity in an edited order without refunds",
    "quantity_fulfilled": "the parcels' fulfillmentLineItems, without CANCELLED, ERROR and FAILURE",
    "quantity_refunded": "refundLineItems[].quantity, but of restockType CANCEL",
    "quantity_cancelled": "refundLineItems[].quantity of restockType CANCEL, and other pieces missing from "
    "currentQuantity",
    "unit_price": "originalUnitPriceSet",
    "subtotal": "originalUnitPriceSet times quantity",
    "discount": "discountAllocations[].allocatedAmountSet",
    "tax": "taxLines[].priceSet",
    "marketplace_tax": "taxLines[].priceSet with channelLiable",
    "total": "derived",
    "properties": "customAttributes[]",
    "requires_shipping": "requiresShipping",
    "gift_card": "isGiftCard",
    "parent_id": "lineItemGroup.id",
}
_FULFILLMENTS = {
    "id": "id",
    "status": "displayStatus, else status",
    "marketplace_status": "displayStatus, else status",
    "created_at": "createdAt",
    "shipped_at": "inTransitAt",
    "delivered_at": "deliveredAt",
    "carrier": "trackingInfo[].company",
    "tracking_numbers": "trackingInfo[].number, the first five",
    "tracking_urls": "trackingInfo[].url, the first five",
    "location_id": "location.id",
    "fulfilled_by": "service.type",
    "lines": "fulfillmentLineItems[]",
}
_REFUNDS = {
    "id": "id",
    "created_at": "createdAt",
    "reason": "note",
    "amount": "totalRefundedSet",
    "lines": "refundLineItems[]; whether subtotalSet contains the tax is unconfirmed",
}
_BUYER = {
    "name": "customer.displayName, else shippingAddress.name",
    "company": "shippingAddress.company",
    "email": "email",
    "phone": "phone, else shippingAddress.phone",
    "street": "shippingAddress.address1, address2",
    "city": "shippingAddress.city",
    "region": "shippingAddress.province",
    "postal_code": "shippingAddress.zip",
    "country": "shippingAddress.countryCodeV2",
    "note": "note",
}
_INVENTORY = {
    "id": "item.id and location.id",
    "sku": "item.sku",
    "product_id": "item.variants[0].product.id",
    "variant_id": "item.variants[0].id",
    "inventory_item_id": "item.id",
    "location_id": "location.id",
    "location_name": "location.name",
    "tracked": "item.tracked",
    "available": "quantities[available]; null of an item that is not tracked, as all its amounts",
    "available_micros": "derived",
    "on_hand": "quantities[on_hand]",
    "committed": "quantities[committed]",
    "incoming": "quantities[incoming]",
    "reserved": "quantities[reserved]",
    "unsellable": "quantities[damaged] and quantities[quality_control]",
    "quantities": "quantities[damaged], quantities[safety_stock], quantities[quality_control]",
    "updated_at": "updatedAt",
}
_PRODUCTS = {
    "id": "legacyResourceId",
    "title": "title",
    "status": "status; UNLISTED is `active`",
    "marketplace_status": "status",
    "description_html": "descriptionHtml",
    "brand": "vendor",
    "product_type": "productType",
    "category": "category.fullName",
    "category_id": "category.id",
    "url": "onlineStoreUrl; null if the online store does not show the product",
    "image_urls": "media[].image.url; videos and models are left out",
    "tags": "tags",
    "options": "options[]; none if the only value is Default Title",
    "created_at": "createdAt",
    "updated_at": "updatedAt",
    "published_at": "publishedAt",
    "variants": "variants[]; a call more for each seven products that changed, and for each 85 further "
    "variants",
}
_VARIANTS = {
    "id": "id",
    "sku": "sku",
    "barcode": "barcode",
    "title": "title; null if it is Default Title",
    "options": "selectedOptions[]",
    "price": "price, in the shop's currency",
    "list_price": "compareAtPrice",
    "cost": "inventoryItem.unitCost; null without the permission View product costs. That a changed cost "
    "alone moves updatedAt is unconfirmed: if not, the next run with `full` brings it",
    "weight": "inventoryItem.measurement.weight; null if it is 0",
    "taxable": "taxable",
    "requires_shipping": "inventoryItem.requiresShipping",
    "tracked": "inventoryItem.tracked",
    "oversell": "inventoryPolicy: CONTINUE",
    "image_url": "the image of the product's media that media[0].id names",
    "inventory_item_id": "inventoryItem.id",
}
MAPPING: Mapping[str, str] = {
    **{f"orders.{name}": source for name, source in _ORDERS.items()},
    **{f"orders.lines.{name}": source for name, source in _LINES.items()},
    **{f"orders.fulfillments.{name}": source for name, source in _FULFILLMENTS.items()},
    **{f"orders.refunds.{name}": source for name, source in _REFUNDS.items()},
    **{f"orders.buyer.{name}": source for name, source in _BUYER.items()},
    **{f"products.{name}": source for name, source in _PRODUCTS.items()},
    **{f"products.variants.{name}": source for name, source in _VARIANTS.items()},
    **{f"inventory.{name}": source for name, source in _INVENTORY.items()},
}
