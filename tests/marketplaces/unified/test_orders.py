"""The lists, texts, times and personal data of an order's record."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.unified.orders import order_of
from orchestrator.marketplaces.values import Details
from orchestrator.model.records.record import Attribute, Buyer, Destination, Fulfillment, LinePart, Refund
from tests.marketplaces.unified.examples import HOUR, facts, line, order, zar
from tests.support.clocks import START


def lists() -> dict[str, Any]:
    """Lists whose order at the marketplace has no meaning."""
    return {
        "lines": (line("9"), line("10"), line("100")),
        "fulfillments": tuple(
            Fulfillment(id=str(n), status="shipped", created_at=START + n % 3 * HOUR) for n in range(6)
        ),
        "refunds": tuple(
            Refund(
                id=str(n),
                created_at=START + n % 2 * HOUR,
                amount=zar("1.00"),
                lines=(LinePart(line_id="9", quantity=1), LinePart(line_id="10", quantity=1)),
            )
            for n in range(4)
        ),
        "tags": ("wholesale", "vip", "vip"),
        "discount_codes": ("B", "A"),
        "payment_methods": ("voucher", "card"),
    }


@pytest.mark.parametrize("seed", range(8))
def test_equal_content_has_equal_bytes(seed: int) -> None:
    """The marketplace may list lines, parcels and refunds in another order at each reading."""
    shuffled: dict[str, Any] = {
        name: tuple(random.Random(seed).sample(items, len(items))) for name, items in lists().items()
    }

    assert msgspec.json.encode(order(**shuffled)) == msgspec.json.encode(order(**lists()))
    assert [each.id for each in order(**shuffled).lines] == ["9", "10", "100"]
    assert order(**shuffled).tags == ("vip", "wholesale")


def test_lines_whose_order_has_a_meaning_keep_it() -> None:
    """A shop lists a bundle's lines behind their bundle."""
    found = order(lines=(line("2"), line("1")), lines_as_listed=True)

    assert [each.id for each in found.lines] == ["2", "1"]
    assert found.skus == ("SKU-1", "SKU-2")


def test_the_deadline_is_the_earliest_of_the_lines_that_are_still_to_ship() -> None:
    """A line that is shipped or cancelled has no deadline any more."""
    lines = (
        line("1", ship_by=START + HOUR, quantity_fulfilled=2),
        line("2", ship_by=START + 2 * HOUR, quantity_fulfilled=1, quantity_cancelled=1),
        line("3", ship_by=START + 4 * HOUR),
        line("4", ship_by=START + 3 * HOUR, quantity_fulfilled=1),
    )

    assert order(lines=lines, fulfillment="partially_fulfilled").ship_by == START + 3 * HOUR
    assert order(lines=lines, fulfillment="fulfilled").ship_by is None
    assert order(lines=lines, cancelled=True).ship_by is None
    assert order(ship_by=START).ship_by == START


def personal() -> dict[str, Any]:
    """Facts with personal data in each place that has room for it."""
    return {
        "buyer": Buyer(name="Thandi Nkosi", note="Ring twice", tax_ids=("VAT-1",)),
        "destination": Destination(country="za", region="WC", postal_code="8001"),
        "lines": (line(properties=(Attribute(name="Engraving", value="To Thandi"),)),),
    }


def test_personal_data_is_dropped_unless_the_connection_stores_it() -> None:
    """Country and region are stored always, the rest never without consent."""
    found = order(**personal())

    assert (found.buyer, found.lines[0].properties) == (None, ())
    assert found.destination == Destination(country="ZA", region="WC")
    encoded = msgspec.json.encode(found)
    assert not any(mark in encoded for mark in (b"Thandi", b"8001", b"Ring", b"VAT-1"))


def test_personal_data_is_stored_if_the_connection_says_so() -> None:
    """With the buyer's own words."""
    found = order(with_buyer=True, **personal())

    assert found.buyer == Buyer(name="Thandi Nkosi", note="Ring twice", tax_ids=("VAT-1",))
    assert found.destination == Destination(country="ZA", region="WC", postal_code="8001")
    assert found.lines[0].properties == (Attribute(name="Engraving", value="To Thandi"),)


@pytest.mark.parametrize("country", ["ZAF", "South Africa", "Z1", "ÄÖ"])
def test_a_country_that_is_no_code_is_null_and_named(country: str) -> None:
    """Queries by country find no made-up ones."""
    found = order(destination=Destination(country=country, region="WC"))

    assert found.destination == Destination(region="WC")
    assert found.warnings == ("destination.country",)


def test_lists_and_texts_are_cut_to_their_limits_and_named() -> None:
    """The first ones are kept, so that equal content is cut alike."""
    found = order(
        tags=tuple(f"tag-{n:04d}" for n in range(300)),
        discount_codes=tuple(f"code-{n:02d}" for n in range(60)),
        lines=(line(title="x" * 1001),),
        fulfillments=(
            Fulfillment(id="1", status="shipped", tracking_numbers=tuple(f"T{n:02d}" for n in range(21))),
        ),
    )

    assert (len(found.tags), found.tags[-1]) == (250, "tag-0249")
    assert (len(found.discount_codes), len(found.lines[0].title or "")) == (50, 1000)
    assert found.fulfillments is not None
    assert len(found.fulfillments[0].tracking_numbers) == 20
    assert found.truncated == (
        *("discount_codes", "fulfillments.tracking_numbers"),
        *("lines.title", "tags"),
    )
    assert order().truncated == ()


def test_texts_are_clean_and_empty_ones_null() -> None:
    """Control characters do not reach documents; a blank text says nothing."""
    found = order(sales_channel=" web\x00\x1f\t1 ", shipping_method=" \n ", number=" \x07 ")

    assert (found.sales_channel, found.shipping_method) == ("web\t1", None)
    assert found.number == found.id


def test_a_sku_is_stored_as_it_is_or_refused() -> None:
    """Other systems know it by its bytes; one beyond an index's limit would be found by nobody."""
    assert order(lines=(line(sku=" A-1 "), line("2", sku=" "))).skus == (" A-1 ",)
    with pytest.raises(RecordInvalid, match="SKU"):
        order(lines=(line(sku="x" * 1501),))


def test_none_says_that_the_marketplace_does_not_tell() -> None:
    """An order without refunds differs from an order of a marketplace that tells none."""
    assert (order(refunds=()).refunds, order(refunds=()).refunded) == ((), zar("0.00"))
    assert (order(refunds=None).refunds, order(refunds=None).refunded) == (None, None)
    assert (order(fulfillments=()).fulfillments, order().fulfillments) == ((), None)


def test_every_field_of_an_order_is_in_its_document() -> None:
    """Consumers find null, not an absent field; inside lists a default is left out."""
    made: dict[str, Any] = msgspec.to_builtins(order_of(facts(), Details(), with_buyer=False))

    assert {"refunded", "buyer", "cancelled_at", "ship_by", "warnings", "truncated"} <= made.keys()
    assert "gift_card" not in made["lines"][0]
