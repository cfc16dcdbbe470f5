"""The sources of the fields of Takealot's records, in Takealot's words; documentation, which no code reads.

A field that is not listed is not available. The names are those of Marketplace API v1; Seller API v2 has the
same ones, or those after "v2:".
"""

from __future__ import annotations

from collections.abc import Mapping

MAPPING: Mapping[str, str] = {
    "orders.id": "order_id",
    "orders.number": "order_id",
    "orders.payment_status": "sale_status of the items",
    "orders.fulfillment_status": "sale_status of the items",
    "orders.marketplace_status": "sale_status of the items, each word once",
    "orders.fulfilled_by": "the lines'",
    "orders.created_at": "order_date",
    "orders.taxes_included": "always true: prices contain the VAT, whose amount is not told",
    "orders.subtotal": "sum of selling_price; discounts are not told",
    "orders.total": "sum of selling_price",
    "orders.fee_lines": "sum of the lines'",
    "orders.destination": "in South Africa",
    "orders.destination.country": "always ZA",
    "orders.destination.region": "sales_region; v2: customer_dc: that of a distribution centre, not of the "
    "buyer's address",
    "orders.lines": "the rows of the order",
    "orders.lines.id": "order_item_id",
    "orders.lines.sku": "sku",
    "orders.lines.product_id": "offer_id",
    "orders.lines.variant_id": "offer_id",
    "orders.lines.title": "v2: product_title; v1 documents none",
    "orders.lines.quantity": "quantity",
    "orders.lines.quantity_fulfilled": "quantity or 0, by sale_status",
    "orders.lines.quantity_refunded": "quantity or 0, by sale_status",
    "orders.lines.quantity_cancelled": "quantity or 0, by sale_status",
    "orders.lines.unit_price": "selling_price if quantity is 1",
    "orders.lines.total": "selling_price",
    "orders.lines.fees": "success_fee, fulfillment_fee, courier_collection_fee, stock_transfer_fee, else "
    "total_fees; v2: auto_ibt_fee, total_fee, which no document names (unconfirmed); positive is a cost",
    "orders.lines.fulfilled_by": "merchant if sale_status or po_number says that the seller brings it; "
    "marketplace if stock_source_region is set, else merchant (unconfirmed); v2: also dc",
    "orders.lines.marketplace_status": "sale_status",
    "orders.buyer": "v2, only with store_buyer_pii",
    "orders.buyer.name": "v2: customer",
    "products.id": "offer_id",
    "products.title": "title",
    "products.status": "status",
    "products.marketplace_status": "status",
    "products.url": "productline_id: https://www.takealot.com/x/PLID...; v2: offer_url",
    "products.image_urls": "image_url",
    "products.parent_id": "productline_id",
    "products.created_at": "created_at; v2: date_created",
    "products.updated_at": "updated_at",
    "products.variants": "one: the offer itself",
    "products.variants.id": "offer_id",
    "products.variants.sku": "sku",
    "products.variants.barcode": "barcode, then product_label",
    "products.variants.price": "selling_price",
    "products.variants.list_price": "rrp",
    "products.variants.weight": "weight_grams",
    "products.variants.condition": "condition",
    "inventory.id": "offer_id @ seller_warehouse_id or region; v2: warehouse_id or name",
    "inventory.sku": "sku",
    "inventory.product_id": "offer_id",
    "inventory.variant_id": "offer_id",
    "inventory.location_id": "seller_warehouse_id, region; v2: warehouse_id, name",
    "inventory.location_name": "region; v2: name",
    "inventory.held_by": "merchant for seller_warehouse_stock; marketplace for takealot_warehouse_stock",
    "inventory.available": "quantity_available",
    "inventory.incoming": "stock_on_way + stock_in_receiving; v2: stock_on_way",
    "inventory.quantities": "stock_on_way, stock_in_receiving",
}
