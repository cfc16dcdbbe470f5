"""The personal data of Amazon's orders, and the place that an order goes to.

Amazon lists as personal: names, address lines, postal code, phone, e-mail, tax numbers, and customization
(developer-docs.amazon.com/sp-api/docs/access-orders-pii). Country and region are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from orchestrator.marketplaces.amazon.fields import Row
from orchestrator.marketplaces.values import Details, joined
from orchestrator.model.records.record import Attribute, Buyer, Destination

#: Raw fields that hold personal data, or a buyer's own words.
PERSONAL_FIELDS = frozenset(
    {
        *("buyer", "recipient", "customization", "giftOption", "deliveryAddress", "buyerName", "buyerEmail"),
        *("tax", "payment", "serialNumbers", "deliveryPreference", "substitutionPreference"),
        *("customizedUrl", "cancellationRequest"),
    }
)


class Contact(Row):
    """The buyer's account."""

    buyer_name: Annotated[object, str] = None
    buyer_email: Annotated[object, str] = None
    buyer_company_name: Annotated[object, str] = None


class _Address(Row):
    name: Annotated[object, str] = None
    company_name: Annotated[object, str] = None
    address_line1: Annotated[object, str] = None
    address_line2: Annotated[object, str] = None
    address_line3: Annotated[object, str] = None
    city: Annotated[object, str] = None
    state_or_region: Annotated[object, str] = None
    postal_code: Annotated[object, str] = None
    country_code: Annotated[object, str] = None
    phone: Annotated[object, str] = None


class _Preference(Row):
    address_instruction: Annotated[object, str] = None


class Recipient(Row):
    """The place that the order goes to."""

    delivery_address: Annotated[object, _Address] = None
    delivery_preference: Annotated[object, _Preference] = None


class _Registration(Row):
    entity_type: str = ""
    tax_registration_number: Annotated[object, str] = None


class BuyerTax(Row):
    """The buyer's tax numbers."""

    tax_registrations: Annotated[object, list[_Registration]] = None


class _Gift(Row):
    gift_message: Annotated[object, str] = None


class Packing(Row):
    """How an item is packed."""

    gift_option: Annotated[object, _Gift] = None


class Customization(Row):
    """The buyer's wishes for an item."""

    customized_url: Annotated[object, str] = None


def destination_of(details: Details, recipient: object) -> Destination | None:
    """The place that the order goes to, if Amazon was asked for it and tells it."""
    found = details.part("recipient", recipient, Recipient) or Recipient()
    address = details.part("deliveryAddress", found.delivery_address, _Address)
    if address is None:
        return None
    return Destination(
        country=details.text("countryCode", address.country_code),
        region=details.text("stateOrRegion", address.state_or_region),
        postal_code=details.text("postalCode", address.postal_code),
    )


def buyer_of(
    details: Details, buyer: object, recipient: object, tax: object, packings: Sequence[object]
) -> Buyer | None:
    """The buyer; None if Amazon tells nothing. The recipient's name goes before the buyer's.

    Args:
        details: The reader.
        buyer: The order's `buyer`.
        recipient: The order's `recipient`.
        tax: The order's `tax`.
        packings: The `fulfillment.packing` of its items.
    """
    contact = details.part("buyer", buyer, Contact) or Contact()
    found = details.part("recipient", recipient, Recipient) or Recipient()
    address = details.part("deliveryAddress", found.delivery_address, _Address) or _Address()
    preference = details.part("deliveryPreference", found.delivery_preference, _Preference) or _Preference()
    street = (address.address_line1, address.address_line2, address.address_line3)
    known = Buyer(
        name=details.text("name", address.name) or details.text("buyerName", contact.buyer_name),
        company=details.text("companyName", address.company_name)
        or details.text("buyerCompanyName", contact.buyer_company_name),
        email=details.text("buyerEmail", contact.buyer_email),
        phone=details.text("phone", address.phone),
        street=joined(*(details.text("addressLine", line) for line in street)),
        city=details.text("city", address.city),
        region=details.text("stateOrRegion", address.state_or_region),
        postal_code=details.text("postalCode", address.postal_code),
        country=details.text("countryCode", address.country_code),
        tax_ids=_tax_ids(details, tax),
        note=details.text("addressInstruction", preference.address_instruction),
        gift_message=_gift_message(details, packings),
    )
    return None if known == Buyer() else known


def properties_of(details: Details, customization: object) -> tuple[Attribute, ...]:
    """The address of the file in which Amazon keeps the buyer's wishes for an item."""
    found = details.part("customization", customization, Customization) or Customization()
    url = details.text("customizedUrl", found.customized_url)
    return (Attribute(name="customizedUrl", value=url),) if url else ()


def _tax_ids(details: Details, tax: object) -> tuple[str, ...]:
    found = details.part("tax", tax, BuyerTax) or BuyerTax()
    registrations = details.items("taxRegistrations", found.tax_registrations, _Registration) or []
    numbers = (
        details.text("taxRegistrationNumber", each.tax_registration_number)
        for each in registrations
        if each.entity_type == "BUYER"
    )
    return tuple(number for number in numbers if number)


def _gift_message(details: Details, packings: Sequence[object]) -> str | None:
    """The messages of all gifts, each once."""
    found: dict[str, None] = {}
    for packing in packings:
        packed = details.part("packing", packing, Packing) or Packing()
        gift = details.part("giftOption", packed.gift_option, _Gift) or _Gift()
        message = details.text("giftMessage", gift.gift_message)
        if message:
            found[message] = None
    return "\n".join(found) or None
