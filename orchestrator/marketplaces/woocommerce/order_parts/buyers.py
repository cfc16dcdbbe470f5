"""The buyer of a WooCommerce order, and the place it goes to."""

from __future__ import annotations

import msgspec

from orchestrator.marketplaces.values import Details, joined
from orchestrator.model.records.record import Buyer, Destination


class _Place(msgspec.Struct):
    state: str | None = None
    postcode: str | None = None
    country: str | None = None


class Address(_Place):
    """The buyer's billing or shipping address."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    city: str | None = None
    email: str | None = None
    phone: str | None = None


def buyer(details: Details, billed: object, shipped: object, note: object) -> Buyer:
    """The payer, and the shipping address, or the billing address if there is no other."""
    billing = details.part("buyer", billed, Address) or Address()
    shipping = details.part("buyer", shipped, Address) or Address()
    address = shipping if shipping.address_1 or shipping.city or shipping.postcode else billing
    return Buyer(
        name=" ".join(part for part in (billing.first_name, billing.last_name) if part) or None,
        company=billing.company or shipping.company or None,
        email=billing.email or None,
        phone=billing.phone or shipping.phone or None,
        street=joined(address.address_1, address.address_2),
        city=address.city or None,
        region=address.state or None,
        postal_code=address.postcode or None,
        country=address.country or None,
        note=details.text("buyer.note", note),
    )


def destination(details: Details, billed: object, shipped: object) -> Destination | None:
    """The shipping address' country and region, or the billing address' if there is no other."""
    for address in (shipped, billed):
        # A row that is read loosely may have a place without having an address.
        place = address if isinstance(address, Address) else details.part("destination", address, _Place)
        if place is not None and place.country:
            return Destination(country=place.country, region=place.state, postal_code=place.postcode)
    return None
