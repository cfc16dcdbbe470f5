"""The buyer of a WooCommerce order."""

from __future__ import annotations

import msgspec

from orchestrator.marketplaces.values import Detail, Details, joined
from orchestrator.model.record import Buyer


class _Address(msgspec.Struct):
    first_name: str | None = None
    last_name: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    city: str | None = None
    state: str | None = None
    postcode: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None


def buyer(details: Details, billed: Detail, shipped: Detail) -> Buyer:
    """The payer, and the shipping address, or the billing address if there is no other."""
    billing = details.part("buyer", billed, _Address) or _Address()
    shipping = details.part("buyer", shipped, _Address) or _Address()
    address = shipping if shipping.address_1 or shipping.city or shipping.postcode else billing
    return Buyer(
        name=" ".join(part for part in (billing.first_name, billing.last_name) if part) or None,
        email=billing.email or None,
        phone=billing.phone or shipping.phone or None,
        street=joined(address.address_1, address.address_2),
        city=address.city or None,
        region=address.state or None,
        postal_code=address.postcode or None,
        country=address.country or None,
    )
