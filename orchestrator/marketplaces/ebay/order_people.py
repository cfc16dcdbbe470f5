"""Where eBay's orders go, and who bought them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestrator.marketplaces.ebay.order_rows import (
    Address,
    Addressed,
    BuyerRow,
    Contact,
    Gift,
    Instruction,
    OrderRow,
)
from orchestrator.marketplaces.values import Details, joined, plain_text
from orchestrator.model.records.record import Buyer, Destination, FulfilledBy

#: Who ships, by FulfillmentInstructionsType.
FULFILLMENT_TYPES: dict[str, FulfilledBy] = {
    "DIGITAL": "merchant",
    "PREPARE_FOR_PICKUP": "merchant",
    "SELLER_DEFINED": "merchant",
    "SHIP_TO": "merchant",
    "FULFILLED_BY_EBAY": "marketplace",
}


class Instructions(msgspec.Struct, frozen=True, kw_only=True):
    """How the order reaches the buyer; of its first parcel, unless said otherwise."""

    #: `mixed` if the parcels differ; None if there is no instruction.
    shipper: FulfilledBy | None = None
    #: Whether nothing of the order is a parcel.
    is_digital: bool = False
    #: The earliest latest time of delivery, of all parcels.
    deliver_by: datetime | None = None
    service: str | None = None
    #: The buyer's address, or the recipient's if no hub is in between.
    address: Address | None = None
    #: Not read yet: it is personal.
    ship_to: object = None


def instructions_of(details: Details, row: OrderRow) -> Instructions:
    """The order's instructions; none of them, if they cannot be read."""
    rows = details.items("destination", row.fulfillment_start_instructions, Instruction)
    # eBay hides the instructions of old orders. Gift cards are known by their lines too.
    is_gift = bool(row.line_items) and all(item.gift_details is not None for item in row.line_items)
    if not rows:
        return Instructions(is_digital=is_gift)
    types = [str(each.fulfillment_instructions_type or "") for each in rows]
    shippers = {FULFILLMENT_TYPES.get(kind, "unknown") for kind in types}
    steps = [each.shipping_step for each in rows if each.shipping_step]
    latest = (details.moment("deliver_by", each.max_estimated_delivery_date) for each in rows)
    services = (details.text("shipping_method", step.shipping_service_code) for step in steps)
    return Instructions(
        shipper=shippers.pop() if len(shippers) == 1 else "mixed",
        is_digital=is_gift or set(types) == {"DIGITAL"},
        deliver_by=min((moment for moment in latest if moment), default=None),
        service=next((service for service in services if service), None),
        address=next((found for each in rows if (found := _address(details, each))), None),
        ship_to=next((step.ship_to for step in steps if step.ship_to), None),
    )


def destination_of(told: Instructions) -> Destination | None:
    """The place that the buyer gets the order at; None if eBay names none, or has masked it."""
    if told.address is None:
        return None
    return Destination(
        country=_told(told.address.country_code),
        region=_told(told.address.state_or_province),
        postal_code=_told(told.address.postal_code),
    )


def buyer_of(details: Details, row: OrderRow, told: Instructions) -> Buyer | None:
    """The recipient of the order; None if eBay names nobody, as for old orders.

    The address is the parcel's, which may be a hub's.
    """
    contact = details.part("buyer", told.ship_to, Contact)
    account = details.part("buyer", row.buyer, BuyerRow) or BuyerRow()
    gifts = [details.part("buyer.gift_message", item.gift_details, Gift) for item in row.line_items]
    messages = (_told(gift.message) for gift in gifts if gift)
    note = _told(details.text("buyer.note", row.buyer_checkout_notes))
    number = _told(account.tax_identifier.taxpayer_id) if account.tax_identifier else None
    address = contact.contact_address if contact else Address()
    found = Buyer(
        name=_told(contact.full_name) if contact else None,
        company=_told(contact.company_name) if contact else None,
        username=_told(account.username),
        email=_told(contact.email) if contact else None,
        phone=_told(contact.primary_phone.phone_number) if contact else None,
        street=joined(_told(address.address_line1), _told(address.address_line2)),
        city=_told(address.city),
        region=_told(address.state_or_province),
        postal_code=_told(address.postal_code),
        country=_told(address.country_code),
        tax_ids=(number,) if number else (),
        note=plain_text(note) if note else None,
        gift_message=next((message for message in messages if message), None),
    )
    return None if contact is None and found == Buyer() else found


def _address(details: Details, row: Instruction) -> Address | None:
    if row.ebay_supported_fulfillment is True:
        # The parcel goes to a hub. An authenticator's order does not tell the buyer's address.
        return details.part("destination", row.final_destination_address, Address)
    contact = details.part("destination", row.shipping_step and row.shipping_step.ship_to, Addressed)
    return details.part("destination", contact and contact.contact_address, Address)


def _told(text: str | None) -> str | None:
    """The text, unless eBay has masked it."""
    return text if text and any(map(str.isalnum, text)) else None
