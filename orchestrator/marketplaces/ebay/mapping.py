"""The source of each field of eBay's records, in eBay's own words. Documentation only: no code reads it.

Fulfillment 1.20.7 and Inventory 1.18.4. A field that is not listed is not available on eBay. A fact that the
descriptions do not state is named "unconfirmed".
"""

from __future__ import annotations

from collections.abc import Mapping

_ORDERS = {
    "id": "orderId",
    "number": "orderId",
    "status": "derived",
    "payment_status": "orderPaymentStatus: PENDING, FAILED are `pending`; FULLY_REFUNDED is `refunded`",
    "fulfillment_status": "orderFulfillmentStatus; `not_required` if all is DIGITAL or a gift card",
    "marketplace_status": "orderPaymentStatus/orderFulfillmentStatus/cancelStatus.cancelState",
    "fulfilled_by": "program.fulfillmentProgram.fulfilledBy, fulfillmentInstructionsType FULFILLED_BY_EBAY",
    "to_ship": "derived",
    "sales_channel": "lineItems[].purchaseMarketplaceId of the first line, else its listingMarketplaceId",
    "created_at": "creationDate",
    "updated_at": "lastModifiedDate",
    "paid_at": "paymentSummary.payments[].paymentDate, the earliest of a payment that did not fail",
    "cancelled_at": "cancelStatus.cancelledDate",
    "ship_by": "lineItems[].lineItemFulfillmentInstructions.shipByDate, the earliest still to ship",
    "deliver_by": "lineItems[].lineItemFulfillmentInstructions.maxEstimatedDeliveryDate, the earliest; "
    "else fulfillmentStartInstructions[].maxEstimatedDeliveryDate",
    "shipping_method": "fulfillmentStartInstructions[].shippingStep.shippingServiceCode",
    "currency": "pricingSummary.total.currency",
    "taxes_included": "always false: a VAT inside a price is not told",
    "subtotal": "pricingSummary.priceSubtotal",
    "discount_total": "pricingSummary.priceDiscount without its sign",
    "shipping_total": "pricingSummary.deliveryCost less deliveryDiscount",
    "other_total": "pricingSummary.fee and adjustment",
    "tax_total": "pricingSummary.tax; whether it holds ebayCollectAndRemitTaxes is unconfirmed: the reading "
    "counts by which the total is the sum of its parts",
    "marketplace_tax": "lineItems[].ebayCollectAndRemitTaxes[].amount; 0 if the total does not hold it",
    "total": "pricingSummary.total with fieldGroups=TAX_BREAKDOWN",
    "refunded": "the sum of the refunds: the seller's part, without the tax that eBay collected",
    "net": "derived",
    "net_micros": "derived",
    "fees": "totalMarketplaceFee; later adjustments are in the Finances API only",
    "fee_lines": "totalMarketplaceFee as `marketplace_fee`",
    "presentment_total": "pricingSummary.total.convertedFromValue and convertedFromCurrency",
    "destination": "finalDestinationAddress if ebaySupportedFulfillment, else shipTo.contactAddress; "
    "null if an authenticator is in between, and 90 days after the sale",
    "skus": "lineItems[].sku",
    "payment_methods": "paymentSummary.payments[].paymentMethod",
    "lines": "lineItems[]",
    "fulfillments": "GET order/{orderId}/shipping_fulfillment, one call for a changed order with "
    "fulfillmentHrefs; null if eBay ships",
    "refunds": "paymentSummary.refunds[] with refundStatus REFUNDED, and lineItems[].refunds[]; whether the "
    "first hold the second is unconfirmed: those of the same id, or amount and time, count once",
    "buyer": "fulfillmentStartInstructions[].shippingStep.shipTo, buyer",
}
_LINES = {
    "id": "lineItemId",
    "sku": "sku",
    "product_id": "sku",
    "variant_id": "legacyItemId, which is the offer's listingId; without a SKU also legacyVariationId",
    "title": "title as plain text",
    "quantity": "quantity",
    "quantity_fulfilled": "lineItemFulfillmentStatus; of IN_PROGRESS the parcels' quantities",
    "unit_price": "lineItemCost divided by quantity, if nothing remains",
    "subtotal": "lineItemCost",
    "discount": "lineItemCost less discountedLineItemCost",
    "tax": "taxes[].amount, but fees; and ebayCollectAndRemitTaxes[].amount that are not among them",
    "marketplace_tax": "ebayCollectAndRemitTaxes[].amount",
    "total": "discountedLineItemCost, else lineItemCost",
    "options": "variationAspects[]",
    "requires_shipping": "false of DIGITAL orders and of gift cards",
    "gift_card": "giftDetails is there",
    "ship_by": "lineItemFulfillmentInstructions.shipByDate",
    "marketplace_status": "lineItemFulfillmentStatus",
}
_FULFILLMENTS = {
    "id": "fulfillmentId",
    "status": "always `shipped`: deliveries are not told",
    "shipped_at": "shippedDate",
    "carrier": "shippingCarrierCode",
    "tracking_numbers": "shipmentTrackingNumber",
    "lines": "lineItems[].lineItemId and quantity",
}
_REFUNDS = {
    "id": "refundId, else refundReferenceId",
    "created_at": "refundDate",
    "amount": "amount: the seller's part",
    "lines": "lineItems[].refunds[]; the quantity is 0, because pieces are not told",
}
_BUYER = {
    "name": "shipTo.fullName; the hub's, if ebaySupportedFulfillment",
    "company": "shipTo.companyName",
    "username": "buyer.username",
    "email": "shipTo.email, for 14 days",
    "phone": "shipTo.primaryPhone.phoneNumber",
    "street": "shipTo.contactAddress.addressLine1 and addressLine2",
    "city": "shipTo.contactAddress.city",
    "region": "shipTo.contactAddress.stateOrProvince",
    "postal_code": "shipTo.contactAddress.postalCode",
    "country": "shipTo.contactAddress.countryCode",
    "tax_ids": "buyer.taxIdentifier.taxpayerId, which getOrders does not return (unconfirmed)",
    "note": "buyerCheckoutNotes",
    "gift_message": "lineItems[].giftDetails.message",
}
_PRODUCTS = {
    "id": "sku of the inventory item",
    "title": "product.title as plain text",
    "status": "offers' status and listing.listingStatus, the best of all",
    "marketplace_status": "status/listingStatus of the offers",
    "description": "the text of description_html",
    "description_html": "listingDescription of the best offer, else product.description",
    "brand": "product.brand, else the aspect Brand",
    "category": "storeCategoryNames[0] of the best offer: the seller's own category",
    "category_id": "categoryId of the best offer",
    "url": "https://<site>/itm/<listingId> of the best offer",
    "image_urls": "product.imageUrls",
    "skus": "sku",
    "parent_id": "inventoryItemGroupKeys[0]; the group's title and options are not asked for",
    "published_at": "listingStartDate, of listings whose start is scheduled",
    "variants": "offers; the item itself if it has none",
}
_VARIANTS = {
    "id": "listing.listingId, else offerId; sku without an offer",
    "sku": "sku",
    "barcode": "the first of product.ean, upc, isbn",
    "barcodes": "product.ean, upc, isbn",
    "price": "pricingSummary.price",
    "list_price": "pricingSummary.originalRetailPrice",
    "weight": "packageWeightAndSize.weight, of the parcel",
    "condition": "condition",
    "url": "https://<site>/itm/<listingId>",
    "status": "status and listing.listingStatus",
}
_INVENTORY = {
    "id": "sku@location; sku@pickup:location for collection in a shop",
    "sku": "sku",
    "product_id": "sku",
    "location_id": "merchantLocationKey, else ship_to_home",
    "held_by": "always the merchant",
    "status": "pickupAtLocationAvailability[].availabilityType: SHIP_TO_STORE is `on_backorder`",
    "available": "shipToLocationAvailability.quantity, availabilityDistributions[].quantity, "
    "pickupAtLocationAvailability[].quantity",
    "available_micros": "derived",
    "quantities": "allocationByFormat.auction and fixedPrice as allocated_auction and allocated_fixed_price, "
    "if the stock lies at one location",
}

#: Field to source.
MAPPING: Mapping[str, str] = {
    f"{prefix}.{field}": source
    for prefix, fields in (
        ("orders", _ORDERS),
        ("orders.lines", _LINES),
        ("orders.fulfillments", _FULFILLMENTS),
        ("orders.refunds", _REFUNDS),
        ("orders.buyer", _BUYER),
        ("products", _PRODUCTS),
        ("products.variants", _VARIANTS),
        ("inventory", _INVENTORY),
    )
    for field, source in fields.items()
}
