"""The personal data of eBay's orders, each with the buyer's number in it."""

from __future__ import annotations

import time
from typing import Any

from local.sandbox.catalogue import DAY
from local.sandbox.ebay.orders import Priced, moment

#: eBay hides the buyers of older orders.
_BUYER_DAYS = 90
_HUB = {"addressLine1": "1 Hub Road", "city": "Lichfield", "postalCode": "WS13 8UR", "countryCode": "GB"}


def is_masked(order: Priced) -> bool:
    """Whether eBay hides the buyer."""
    return order.sale.created < time.time() - _BUYER_DAYS * DAY


def people(order: Priced) -> dict[str, Any]:
    """The order's fields about the buyer and the parcel's way."""
    if is_masked(order):
        return {"buyer": {"username": "********"}, "fulfillmentStartInstructions": []}
    number = order.sale.buyer
    row: dict[str, Any] = {
        "buyer": {
            "username": f"buyer_{number}",
            "taxAddress": {"city": f"Taxville {number}", "postalCode": f"TX{number}", "countryCode": "GB"},
            "buyerRegistrationAddress": {"fullName": f"Registered Buyer {number}"},
            "taxIdentifier": {
                "taxpayerId": f"TAXID{number}",
                "taxIdentifierType": "CODICE_FISCALE",
                "issuingCountry": "IT",
            },
        },
        "fulfillmentStartInstructions": [_instruction(order)],
    }
    if number % 2:
        row["buyerCheckoutNotes"] = f"Please leave it with Neighbour {number}"
    return row


def gift(order: Priced) -> dict[str, str]:
    """The details of a gift card; nobody, once eBay hides them."""
    number = order.sale.buyer
    if is_masked(order):
        return {}
    return {
        "message": f"Many happy returns from Gifter {number}",
        "recipientEmail": f"recipient-{number}@example.com",
        "senderName": f"Gifter {number}",
    }


def line_people(order: Priced) -> dict[str, Any]:
    """The buyer's vehicle, and another seller's line, of an order with tires."""
    if not order.fee or is_masked(order):
        return {}
    number = order.sale.buyer
    linked = {"orderId": "99-1", "lineItemId": "1", "sellerId": f"fitter_{number}", "title": "Fitting"}
    return {
        "compatibilityProperties": [{"name": "Plate", "value": f"PLATE{number}"}],
        "linkedOrderLineItems": [linked],
    }


def _instruction(order: Priced) -> dict[str, Any]:
    number = order.sale.buyer
    latest = moment(order.sale.created + 7 * DAY)
    if order.by_ebay:
        return {"fulfillmentInstructionsType": "FULFILLED_BY_EBAY", "maxEstimatedDeliveryDate": latest}
    address = {
        "addressLine1": f"{number} Sandbox Street",
        "city": f"Buyerton {number}",
        "stateOrProvince": "Greater London",
        "postalCode": f"N1 {number}",
        "countryCode": "GB",
    }
    ship_to: dict[str, Any] = {
        "fullName": f"Buyer Number {number}",
        "companyName": f"Company of Buyer {number}",
        "contactAddress": address,
        "primaryPhone": {"phoneNumber": f"+44 20 7946 {number}"},
        "email": f"buyer-{number}@members.example.com",
    }
    row: dict[str, Any] = {
        "fulfillmentInstructionsType": "DIGITAL" if order.digital else "SHIP_TO",
        "shippingStep": {"shippingCarrierCode": "RoyalMail", "shippingServiceCode": "UK_RoyalMailTracked"},
    }
    if order.fee:
        row["appointment"] = {"appointmentStartTime": f"2026-11-28T00:00:00.{number % 1000:03d}Z"}
    if order.hub:
        # The parcel goes to a hub; only an international one tells its last destination.
        ship_to |= {"contactAddress": _HUB, "companyName": "Sandbox Hub"}
        row |= {"ebaySupportedFulfillment": True}
        row["shippingStep"]["shipToReferenceId"] = f"UKAD{number}"
    if order.hub == "international":
        abroad = {"stateOrProvince": "CA", "countryCode": "US"}
        row["finalDestinationAddress"] = {**address, **abroad}
    row["shippingStep"]["shipTo"] = ship_to
    return row if order.digital else {**row, "maxEstimatedDeliveryDate": latest}
