"""The amounts of eBay's orders: taxes in both readings, discounts, refunds, conversions, odd numbers."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.records.record import Charge, LinePart, Money
from tests.marketplaces.ebay.test_ebay_records import LINE, order, pounds


def gbp(amount: str) -> Money:
    """An amount as a record has it."""
    return Money(amount, "GBP")


def line(cost: str, number: int = 1, **change: Any) -> dict[str, Any]:
    """A line that costs this."""
    return {**LINE, "lineItemId": str(number), "quantity": 1, "lineItemCost": pounds(cost), **change}


def tax(amount: str, kind: str = "STATE_SALES_TAX") -> dict[str, Any]:
    """A tax of a line."""
    return {"amount": pounds(amount), "taxType": kind}


def priced(total: str, subtotal: str = "100.00", **more: str) -> dict[str, Any]:
    """The order's amounts."""
    return {
        name: pounds(value) for name, value in {"total": total, "priceSubtotal": subtotal, **more}.items()
    }


TAXED = line("100.00", taxes=[tax("20.00")], ebayCollectAndRemitTaxes=[tax("20.00")])


def test_the_parts_of_a_total() -> None:
    """Discounts are positive, the shipping is after its own, the rest is the fee and the adjustment."""
    summary = priced(
        "104.24",
        priceDiscount="-10.00",
        deliveryCost="5.00",
        deliveryDiscount="-1.00",
        tax="9.99",
        fee="0.75",
        adjustment="-0.50",
    )
    item = line("100.00", discountedLineItemCost=pounds("90.00"), taxes=[tax("9.99", "VAT")])
    found = order(pricingSummary=summary, lineItems=[item], totalMarketplaceFee=pounds("12.30"))

    assert found.taxes_included is False
    assert (found.subtotal, found.discount_total) == (gbp("100.00"), gbp("10.00"))
    assert (found.shipping_total, found.tax_total) == (gbp("4.00"), gbp("9.99"))
    assert (found.other_total, found.total) == (gbp("0.25"), gbp("104.24"))
    assert (found.net, found.net_micros) == (gbp("104.24"), 104_240_000)
    assert (found.fees, found.fee_lines) == (
        gbp("12.30"),
        (Charge(kind="marketplace_fee", amount=gbp("12.30")),),
    )
    (only,) = found.lines
    assert (only.subtotal, only.discount, only.total, only.tax) == (
        gbp("100.00"),
        gbp("10.00"),
        gbp("90.00"),
        gbp("9.99"),
    )


@pytest.mark.parametrize("told", ["20.00", None], ids=["held", "apart"])
def test_trap_the_order_tax_may_or_may_not_hold_the_tax_that_ebay_collects(told: str | None) -> None:
    """The reading is right by which the total is the sum of its parts."""
    summary = priced("120.00", **({"tax": told} if told else {}))
    found = order(pricingSummary=summary, lineItems=[TAXED])

    assert (found.tax_total, found.marketplace_tax, found.other_total) == (
        gbp("20.00"),
        gbp("20.00"),
        gbp("0.00"),
    )
    assert found.net == gbp("100.00")
    assert (found.lines[0].tax, found.lines[0].marketplace_tax) == (gbp("20.00"), gbp("20.00"))


def test_a_total_without_the_collected_tax_has_none_of_it() -> None:
    """The buyer paid it to eBay beside this total, so that nothing is to be taken off."""
    found = order(pricingSummary=priced("100.00"), lineItems=[TAXED])

    assert (found.tax_total, found.marketplace_tax, found.net) == (gbp("0.00"), gbp("0.00"), gbp("100.00"))
    assert (found.lines[0].tax, found.lines[0].marketplace_tax) == (None, None)


def test_the_sellers_own_tax_stands_beside_the_collected_one() -> None:
    """It is not taken off the net."""
    own = line("100.00", taxes=[tax("20.00"), tax("5.00", "VAT")], ebayCollectAndRemitTaxes=[tax("20.00")])
    for told in ("25.00", "5.00"):
        found = order(pricingSummary=priced("125.00", tax=told), lineItems=[own])
        assert (found.tax_total, found.marketplace_tax, found.net) == (
            gbp("25.00"),
            gbp("20.00"),
            gbp("105.00"),
        )
        assert found.lines[0].tax == gbp("25.00")


def test_a_recycling_fee_is_no_tax() -> None:
    """If eBay remits it, the seller does not have it either."""
    fee = tax("2.00", "TIRE_RECYCLING_FEE")
    item = line("100.00", taxes=[tax("20.00"), fee], ebayCollectAndRemitTaxes=[tax("20.00"), fee])
    found = order(pricingSummary=priced("122.00", tax="20.00", fee="2.00"), lineItems=[item])

    assert (found.tax_total, found.other_total) == (gbp("20.00"), gbp("2.00"))
    assert (found.marketplace_tax, found.net) == (gbp("22.00"), gbp("100.00"))
    assert found.lines[0].tax == gbp("20.00")


def test_if_no_reading_fits_the_larger_tax_counts() -> None:
    """The rest of the total is told as the rest."""
    found = order(pricingSummary=priced("130.00", tax="1.00"), lineItems=[TAXED])

    assert (found.tax_total, found.other_total) == (gbp("20.00"), gbp("10.00"))


def test_an_order_that_tells_only_its_total_has_no_parts() -> None:
    """A missing amount counts as none only beside the others."""
    found = order(pricingSummary={"total": pounds("78.47")})

    assert (found.total, found.shipping_total, found.tax_total, found.other_total) == (
        gbp("78.47"),
        None,
        None,
        None,
    )


def test_signs_of_discounts_are_not_relied_on() -> None:
    """They "should be" negative."""
    found = order(
        pricingSummary=priced("94.00", priceDiscount="10", deliveryCost="5", deliveryDiscount="1"),
        lineItems=[line("100.00", discountedLineItemCost=pounds("90"))],
    )

    assert (found.discount_total, found.shipping_total, found.other_total) == (
        gbp("10.00"),
        gbp("4.00"),
        gbp("0.00"),
    )


def test_a_converted_total_tells_the_buyers_amount() -> None:
    """In the buyer's currency."""
    total = {**pounds("78.47"), "convertedFromValue": "99.90", "convertedFromCurrency": "USD"}

    assert order(pricingSummary={"total": total}).presentment_total == Money("99.90", "USD")
    assert order().presentment_total is None


@pytest.mark.parametrize("value", ["78.469999999999999", 78.47, "78.470"])
def test_noise_of_floats_is_taken_off(value: Any) -> None:
    """Amounts are decimals, whatever wrote them; as text or as number."""
    told = {"value": value, "currency": "GBP"}
    found = order(pricingSummary={"total": told}, lineItems=[{**LINE, "lineItemCost": told}])

    assert found.total == gbp("78.47")
    assert found.lines[0].subtotal == gbp("78.47")


def test_titles_and_options_are_plain_text() -> None:
    """Some come with HTML entities; others have the signs themselves."""
    aspects = [{"name": "Colour &amp; size", "value": "Blue &lt;M&gt;"}]
    first = {**LINE, "title": "Salt &amp; pepper &quot;set&quot;", "variationAspects": aspects}
    (found,) = order(lineItems=[first]).lines

    assert found.title == 'Salt & pepper "set"'
    assert [(each.name, each.value) for each in found.options] == [("Colour & size", "Blue <M>")]
    assert order(lineItems=[{**LINE, "title": "5 < 6 & 7"}]).lines[0].title == "5 < 6 & 7"


MOMENT = "2026-11-24T10:00:00.000Z"
PAID_BACK = {"refundDate": MOMENT, "refundStatus": "REFUNDED"}


def refunded(*refunds: dict[str, Any], at_line: list[dict[str, Any]] | None = None) -> Any:
    """An order with refunds, its own and of its line."""
    item = line("100.00", refunds=at_line or [])
    return order(pricingSummary=priced("100.00"), lineItems=[item], paymentSummary={"refunds": list(refunds)})


def test_a_refund_has_its_lines_by_its_id() -> None:
    """The number of pieces is not told."""
    found = refunded(
        {**PAID_BACK, "refundId": "7", "amount": pounds("30")},
        at_line=[{"refundId": "7", "refundDate": MOMENT, "amount": pounds("30")}],
    )

    (only,) = found.refunds
    assert (only.id, only.amount, found.refunded, found.net) == (
        "7",
        gbp("30.00"),
        gbp("30.00"),
        gbp("70.00"),
    )
    assert only.lines == (LinePart(line_id="1", quantity=0, amount=gbp("30.00")),)


def test_trap_a_refund_by_line_may_be_told_twice_or_only_at_its_line() -> None:
    """It counts once: the id is at the line alone, amount and time are alike."""
    at_line = [{"refundId": "7", "refundDate": MOMENT, "amount": pounds("30")}]
    own = {**PAID_BACK, "refundReferenceId": "r", "amount": pounds("30")}
    twice, once = refunded(own, at_line=at_line), refunded(at_line=at_line)

    assert [(each.id, each.amount) for each in twice.refunds] == [("r", gbp("30.00"))]
    assert [(each.id, each.amount) for each in once.refunds] == [("7", gbp("30.00"))]
    assert len(twice.refunds[0].lines) == len(once.refunds[0].lines) == 1
    assert twice.refunded == once.refunded == gbp("30.00")


def test_another_refund_of_the_order_is_not_the_lines() -> None:
    """Another amount, or another time."""
    at_line = [{"refundId": "7", "refundDate": MOMENT, "amount": pounds("30")}]
    later = {**PAID_BACK, "refundDate": "2026-11-27T10:00:00.000Z", "amount": pounds("30")}

    assert refunded({**PAID_BACK, "amount": pounds("20")}, at_line=at_line).refunded == gbp("50.00")
    assert refunded(later, at_line=at_line).refunded == gbp("60.00")


def test_refunds_that_are_not_paid_are_none() -> None:
    """By their status; one of a line by its time, which is told once it is paid."""
    found = refunded(
        {"refundId": "7", "refundStatus": "PENDING", "amount": pounds("30")},
        {"refundId": "8", "refundStatus": "FAILED", "amount": pounds("30")},
        at_line=[{"refundId": "7", "amount": pounds("30")}, {"refundId": "9", "amount": pounds("5")}],
    )

    assert (found.refunds, found.refunded) == ((), gbp("0.00"))


def test_refunds_are_not_told_without_their_list() -> None:
    """Then nothing says that there is none."""
    found = order(paymentSummary={"payments": []})

    assert (found.refunds, found.refunded) == (None, None)
