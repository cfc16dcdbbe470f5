"""The fields of eBay's orders that are read.

Source: eBay's own description of Fulfillment 1.20.7, read 2026-11-28. A field of type
`Annotated[object, Kind]`, or `Any`, is a detail: it is read with `Details`, so that one of another form costs
only that detail. The other fields have their form, or the order is refused.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from orchestrator.marketplaces.values import Instant, Number


class Row(msgspec.Struct, rename="camel", frozen=True):
    """eBay's fields are in camel case; a field that eBay may leave out is optional here."""


class Amount(Row, frozen=True):
    """An amount as eBay writes it: a decimal number as text; other forms are read too."""

    value: Any = None
    currency: Any = None
    #: The amount before eBay converted it to the seller's currency.
    converted_from_value: Any = None
    converted_from_currency: Any = None


class CancelStatus(Row, frozen=True):
    """Whether the order is cancelled. `cancelRequests` is always empty in listings."""

    cancel_state: str = "NONE_REQUESTED"
    cancelled_date: Annotated[object, Instant] = None


class Pricing(Row, frozen=True):
    """The order's amounts."""

    total: Amount | None = None
    price_subtotal: Annotated[object, Amount] = None
    #: Negative, by the description.
    price_discount: Annotated[object, Amount] = None
    delivery_cost: Annotated[object, Amount] = None
    #: Negative, by the description.
    delivery_discount: Annotated[object, Amount] = None
    tax: Annotated[object, Amount] = None
    #: Special fees that the buyer pays, such as for the recycling of tires.
    fee: Annotated[object, Amount] = None
    #: Changes to the items' price after the sale.
    adjustment: Annotated[object, Amount] = None


class Refund(Row, frozen=True):
    """A refund of the order, or of a line; a line's has no status."""

    refund_id: Annotated[object, str] = None
    refund_reference_id: Annotated[object, str] = None
    #: Told once the refund is paid.
    refund_date: Annotated[object, Instant] = None
    #: The seller's part: without the tax that eBay collected.
    amount: Annotated[object, Amount] = None
    refund_status: Annotated[object, str] = None


class Payment(Row, frozen=True):
    """A payment of the buyer's."""

    payment_date: Annotated[object, Instant] = None
    payment_method: Annotated[object, str] = None
    payment_status: Annotated[object, str] = None


class Payments(Row, frozen=True):
    """The order's payments and refunds."""

    payments: Annotated[object, list[Payment]] = None
    refunds: Annotated[object, list[Refund]] = None


class Tax(Row, frozen=True):
    """A tax of a line, or a fee that the buyer pays with it."""

    amount: Annotated[object, Amount] = None
    tax_type: Annotated[object, str] = None


class Aspect(Row, frozen=True):
    """A property of the line's variation."""

    name: str
    value: str


class Deadlines(Row, frozen=True):
    """The times of a line's shipment and delivery."""

    ship_by_date: Annotated[object, Instant] = None
    max_estimated_delivery_date: Annotated[object, Instant] = None


class Gift(Row, frozen=True):
    """Of digital gift cards only."""

    message: str | None = None


class Address(Row, frozen=True):
    """A postal address."""

    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    postal_code: str | None = None
    country_code: str | None = None


class _Phone(Row, frozen=True):
    phone_number: str | None = None


class Addressed(Row, frozen=True):
    """The recipient of a parcel, of whom only the address is read."""

    contact_address: Annotated[object, Address] = None


class Contact(Addressed, frozen=True):
    """The recipient of a parcel: the buyer, or the hub of one of eBay's programs."""

    full_name: str | None = None
    company_name: str | None = None
    email: str | None = None
    primary_phone: _Phone = _Phone()
    contact_address: Address = Address()


class ShippingStep(Row, frozen=True):
    """How a parcel is sent, and where."""

    shipping_service_code: Annotated[object, str] = None
    ship_to: Annotated[object, Contact] = None


class Instruction(Row, frozen=True):
    """How a part of the order reaches the buyer."""

    fulfillment_instructions_type: Annotated[object, str] = None
    #: True if the parcel goes to a hub: Global Shipping, International Shipping, Authenticity Guarantee.
    ebay_supported_fulfillment: Annotated[object, bool] = None
    #: The buyer's address then, unless the hub is an authenticator.
    final_destination_address: Annotated[object, Address] = None
    max_estimated_delivery_date: Annotated[object, Instant] = None
    shipping_step: ShippingStep | None = None


class FulfillmentProgram(Row, frozen=True):
    """The party that ships; only of orders that eBay itself ships."""

    fulfilled_by: Annotated[object, str] = None


class Program(Row, frozen=True):
    """eBay's programs that the order is a part of."""

    fulfillment_program: FulfillmentProgram | None = None


class _TaxIdentifier(Row, frozen=True):
    """The buyer's number for taxes."""

    taxpayer_id: str | None = None


class BuyerRow(Row, frozen=True):
    """The buyer's account. `taxIdentifier` does not come in listings; it is read if it does."""

    username: str | None = None
    tax_identifier: _TaxIdentifier | None = None


class ParcelLine(Row, frozen=True):
    """A line in a parcel."""

    line_item_id: str
    quantity: Number = 1


class Parcel(Row, frozen=True):
    """A shipping fulfillment; it is asked for apart from its order."""

    fulfillment_id: str
    shipped_date: Annotated[object, Instant] = None
    shipping_carrier_code: Annotated[object, str] = None
    shipment_tracking_number: Annotated[object, str] = None
    line_items: list[ParcelLine] = []


class LineItem(Row, frozen=True, kw_only=True):
    """A line of an order."""

    line_item_id: str
    #: The listing, and its variation if it has several.
    legacy_item_id: Annotated[object, str] = None
    legacy_variation_id: Annotated[object, str] = None
    variation_aspects: Annotated[object, list[Aspect]] = None
    listing_marketplace_id: Annotated[object, str] = None
    purchase_marketplace_id: Annotated[object, str] = None
    sku: Annotated[object, str] = None
    title: Annotated[object, str] = None
    quantity: Number
    line_item_cost: Annotated[object, Amount] = None
    discounted_line_item_cost: Annotated[object, Amount] = None
    line_item_fulfillment_status: Annotated[object, str] = None
    line_item_fulfillment_instructions: Annotated[object, Deadlines] = None
    taxes: Annotated[object, list[Tax]] = None
    ebay_collect_and_remit_taxes: Annotated[object, list[Tax]] = None
    refunds: Annotated[object, list[Refund]] = None
    gift_details: Annotated[object, Gift] = None


class OrderRow(Row, frozen=True, kw_only=True):
    """An order as `getOrders` lists it, and its parcels."""

    order_id: str
    creation_date: Instant
    last_modified_date: Instant
    order_fulfillment_status: str
    order_payment_status: str
    cancel_status: CancelStatus = CancelStatus()
    pricing_summary: Pricing = Pricing()
    payment_summary: Annotated[object, Payments] = None
    total_marketplace_fee: Annotated[object, Amount] = None
    buyer: Annotated[object, BuyerRow] = None
    buyer_checkout_notes: Annotated[object, str] = None
    fulfillment_start_instructions: Annotated[object, list[Instruction]] = None
    program: Annotated[object, Program] = None
    #: Addresses of the parcels, if there are any.
    fulfillment_hrefs: Any = None
    line_items: list[LineItem]
    #: Our own field, added by `tracking.with_parcels`.
    shipping_fulfillments: Annotated[object, list[Parcel]] = None
