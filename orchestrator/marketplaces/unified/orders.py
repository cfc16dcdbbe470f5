"""From the facts of an order to its record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from orchestrator.marketplaces.unified.breakdown import breakdown_of, currency_of, in_currency, priced_line
from orchestrator.marketplaces.unified.facts import OrderFacts
from orchestrator.marketplaces.unified.statuses import UNSHIPPED, Statuses, shipper_of, statuses_of
from orchestrator.marketplaces.unified.texts import CODES, PROPERTIES, TAGS, TRACKING, Texts
from orchestrator.marketplaces.values import Details, total_of
from orchestrator.model.records.record import (
    Buyer,
    Destination,
    Fulfillment,
    LinePart,
    Order,
    OrderLine,
    Refund,
)

_FIRST = datetime.min.replace(tzinfo=UTC)
#: The texts of a buyer, and their names.
_BUYER = {field: f"buyer.{field}" for field in Buyer.__struct_fields__ if field != "tax_ids"}


def order_of(facts: OrderFacts, details: Details, *, with_buyer: bool) -> Order:
    """The record of an order: its statuses, amounts and lists follow from the facts.

    Args:
        facts: The order as its marketplace tells it.
        details: The reader of the facts. Amounts that cannot be told are added to its warnings.
        with_buyer: Whether the connection stores personal data; else all of it is dropped.

    Raises:
        RecordInvalid: A SKU is too long.
    """
    texts, currency = Texts(), currency_of(facts)
    lines = [_line(texts, priced_line(line, currency, details), with_buyer) for line in facts.lines]
    if not facts.lines_as_listed:
        lines.sort(key=lambda line: _by_id(line.id))
    refunds = facts.refunds and tuple(_refund(texts, each, currency, details) for each in facts.refunds)
    facts = msgspec.structs.replace(facts, lines=tuple(lines), refunds=refunds)
    states = statuses_of(
        cancelled=facts.cancelled,
        payment=facts.payment,
        fulfillment=facts.fulfillment,
        released=facts.released,
        fulfilled_by=shipper_of(facts.fulfilled_by, (line.fulfilled_by for line in lines)),
        test=facts.test,
    )
    return Order(
        id=facts.id,
        number=texts.text("number", facts.number) or facts.id,
        **msgspec.structs.asdict(states),
        marketplace_status=texts.text("marketplace_status", facts.marketplace_status) or "",
        sales_channel=texts.text("sales_channel", facts.sales_channel),
        created_at=facts.created_at,
        updated_at=facts.updated_at,
        paid_at=facts.paid_at,
        cancelled_at=facts.cancelled_at,
        cancel_reason=texts.text("cancel_reason", facts.cancel_reason),
        ship_by=_ship_by(facts, states),
        deliver_by=facts.deliver_by,
        shipping_method=texts.text("shipping_method", facts.shipping_method),
        **msgspec.structs.asdict(breakdown_of(facts, states.payment_status, details)),
        destination=_destination(texts, facts.destination, details, with_buyer),
        skus=texts.skus(line.sku for line in lines),
        tags=texts.words("tags", facts.tags, TAGS),
        discount_codes=texts.words("discount_codes", facts.discount_codes, CODES),
        payment_methods=texts.words("payment_methods", facts.payment_methods, CODES),
        test=facts.test,
        lines=facts.lines,
        fulfillments=_fulfillments(texts, facts.fulfillments),
        refunds=refunds and tuple(sorted(refunds, key=_by_time)),
        buyer=_buyer(texts, facts.buyer) if with_buyer and facts.buyer else None,
        truncated=texts.truncated,
        warnings=details.warnings,
    )


def _by_id(text: str) -> tuple[int, str]:
    """The order of ids that are numbers as text."""
    return len(text), text


def _by_time(part: Fulfillment | Refund) -> tuple[datetime, int, str]:
    return part.created_at or _FIRST, *_by_id(part.id)


def _ship_by(facts: OrderFacts, states: Statuses) -> datetime | None:
    """The earliest deadline of the lines that are still to ship; None if nothing is left to ship."""
    if states.status not in UNSHIPPED:
        return None
    told = (line.ship_by for line in facts.lines if line.ship_by and _is_left(line))
    return facts.ship_by or min(told, default=None)


def _is_left(line: OrderLine) -> bool:
    done = (Decimal(part) for part in (line.quantity_fulfilled, line.quantity_cancelled) if part is not None)
    return total_of(done) < Decimal(line.quantity)


def _line(texts: Texts, line: OrderLine, with_buyer: bool) -> OrderLine:
    properties = line.properties if with_buyer else ()
    return msgspec.structs.replace(
        line,
        sku=texts.sku(line.sku),
        title=texts.text("lines.title", line.title),
        variant_title=texts.text("lines.variant_title", line.variant_title),
        fees=tuple(sorted(line.fees, key=lambda charge: charge.kind)),
        options=texts.attributes("lines.options", line.options),
        properties=texts.attributes("lines.properties", properties, PROPERTIES),
        marketplace_status=texts.text("lines.marketplace_status", line.marketplace_status),
    )


def _fulfillments(texts: Texts, parcels: Iterable[Fulfillment] | None) -> tuple[Fulfillment, ...] | None:
    if parcels is None:
        return None
    found = (
        msgspec.structs.replace(
            parcel,
            marketplace_status=texts.text("fulfillments.marketplace_status", parcel.marketplace_status),
            carrier=texts.text("fulfillments.carrier", parcel.carrier),
            service=texts.text("fulfillments.service", parcel.service),
            tracking_numbers=texts.listed("fulfillments.tracking_numbers", parcel.tracking_numbers, TRACKING),
            tracking_urls=texts.urls("fulfillments.tracking_urls", parcel.tracking_urls, TRACKING),
            lines=_parts(parcel.lines),
        )
        for parcel in parcels
    )
    return tuple(sorted(found, key=_by_time))


def _refund(texts: Texts, refund: Refund, currency: str | None, details: Details) -> Refund:
    return msgspec.structs.replace(
        refund,
        reason=texts.text("refunds.reason", refund.reason),
        amount=in_currency(details, "refunds.amount", refund.amount, currency),
        lines=_parts(refund.lines),
    )


def _parts(lines: Iterable[LinePart]) -> tuple[LinePart, ...]:
    return tuple(sorted(lines, key=lambda part: _by_id(part.line_id)))


def _destination(
    texts: Texts, place: Destination | None, details: Details, with_buyer: bool
) -> Destination | None:
    """The country as a code, the region as given; None if neither is told."""
    if place is None:
        return None
    country = texts.text("destination.country", place.country)
    if country is not None:
        country = country.upper()
        if not (len(country) == 2 and country.isascii() and country.isalpha()):
            details.note("destination.country")
            country = None
    found = Destination(
        country=country,
        region=texts.text("destination.region", place.region),
        postal_code=texts.text("destination.postal_code", place.postal_code) if with_buyer else None,
    )
    return None if found == Destination() else found


def _buyer(texts: Texts, buyer: Buyer) -> Buyer:
    cleaned = {field: texts.text(name, getattr(buyer, field)) for field, name in _BUYER.items()}
    return Buyer(**cleaned, tax_ids=texts.words("buyer.tax_ids", buyer.tax_ids, CODES))
