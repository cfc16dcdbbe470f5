"""The texts, options, article numbers and weights of products, and the amounts of stock levels."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.unified.barcodes import barcodes_of, kind_of
from orchestrator.marketplaces.unified.facts import LevelFacts, ProductFacts
from orchestrator.marketplaces.unified.levels import level_of
from orchestrator.marketplaces.unified.products import product_of, weight_of
from orchestrator.marketplaces.unified.texts import text_of_html
from orchestrator.marketplaces.values import Details
from orchestrator.model.records.record import Attribute, Barcode, Option, Product, Variant, Weight


def product(**fields: Any) -> Product:
    """The record of a product's facts."""
    given: dict[str, Any] = {"id": "1", "status": "active", "marketplace_status": "ACTIVE"}
    return product_of(ProductFacts(**given | fields), Details())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("96385074", "ean"),
        ("4006381333931", "ean"),
        ("4006381333932", "other"),
        ("9783161484100", "isbn"),
        ("978-3-16-148410-0", "isbn"),
        ("979-0-2600-0043-8", "isbn"),
        ("036000291452", "upc"),
        ("036000291453", "other"),
        ("10614141000415", "gtin"),
        ("0306406152", "isbn"),
        ("080442957X", "isbn"),
        ("0306406153", "other"),
        ("B07XYZ1234", "asin"),
        ("123", "other"),
        ("٤٠٠٦٣٨١٣٣٣٩٣١", "other"),
        ("SHELF-7", "other"),
    ],
)
def test_the_kind_of_an_article_number_is_its_form(code: str, kind: str) -> None:
    """A field called "upc" often holds something else; a wrong check digit makes no kind."""
    assert kind_of(code) == kind


def test_article_numbers_are_listed_once() -> None:
    """Blank ones are none."""
    assert barcodes_of(["4006381333931", None, " ", "4006381333931", "X"]) == (
        Barcode(kind="ean", value="4006381333931"),
        Barcode(kind="other", value="X"),
    )
    (variant,) = product(variants=(Variant(id="1", barcode="4006381333931"),)).variants
    assert variant.barcodes == (Barcode(kind="ean", value="4006381333931"),)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Enamel mug</p><p>Blue &amp; white</p>", "Enamel mug\nBlue & white"),
        ("One<br>Two<br/>Three", "One\nTwo\nThree"),
        ("<ul><li>A</li><li>B</li></ul>", "A\nB"),
        ("<table><tr><td>W</td><td>3 kg</td></tr></table>", "W 3 kg"),
        ("<style>p{}</style><script>alert(1)</script><!-- no -->Mug", "Mug"),
        ("Mug<script>never closed", "Mug"),
        ("a < b and c > d", "a < b and c > d"),
        ("Line 1\nLine 2", "Line 1\nLine 2"),
        ("&lt;b&gt;", "<b>"),
        ("", ""),
    ],
)
def test_a_description_is_the_text_that_the_html_shows(markup: str, text: str) -> None:
    """Alike for all marketplaces; blocks end lines."""
    assert text_of_html(markup) == text


@pytest.mark.parametrize("opening", ["<!--", "<script>", "<p", "&", "<"])
def test_html_that_never_ends_is_read_in_one_pass(opening: str) -> None:
    """A description of 100,000 openings takes no time that grows with its square."""
    assert len(text_of_html(opening * 100_000)) <= 100_000 * len(opening)


def test_a_long_description_is_cut_between_characters() -> None:
    """HTML by bytes, text by characters; both are named."""
    found = product(description_html="<p>" + "é" * 60_000)

    assert len((found.description_html or "").encode()) in range(99_990, 100_001)
    assert len(found.description or "") == 20_000
    assert found.truncated == ("description", "description_html")


def test_options_and_skus_follow_from_the_variants() -> None:
    """Values in the order of the variants, each once."""
    variants = (
        Variant(id="10", sku="B", options=(Attribute(name="Size", value="L"),)),
        Variant(id="9", sku="A", options=(Attribute(name="Size", value="S"),)),
        Variant(id="11", sku="A", options=(Attribute(name="Size", value="L"), Attribute(name="", value="x"))),
    )
    found = product(variants=variants)

    assert [each.id for each in found.variants] == ["9", "10", "11"]
    assert found.skus == ("A", "B")
    assert found.options == (Option(name="Size", values=("S", "L")),)
    assert [each.id for each in product(variants=variants, variants_as_listed=True).variants] == [
        *("10", "9", "11"),
    ]


def test_an_address_that_is_too_long_is_none() -> None:
    """A cut address leads nowhere; the other images stay."""
    found = product(image_urls=("https://a/1", "https://a/" + "x" * 2048, *(f"u{n}" for n in range(30))))

    assert (len(found.image_urls), found.image_urls[:2]) == (20, ("https://a/1", "u0"))
    assert found.truncated == ("image_urls",)


@pytest.mark.parametrize(
    ("value", "unit", "weight"),
    [
        (Decimal("1.50"), "KILOGRAMS", Weight(value="1.5", unit="kg")),
        (250, "g", Weight(value="250", unit="g")),
        (Decimal("0.5"), "lbs", Weight(value="0.5", unit="lb")),
        (3, " oz ", Weight(value="3", unit="oz")),
        (0, "kg", None),
    ],
)
def test_a_weight_is_exact(value: Any, unit: str, weight: Weight | None) -> None:
    """Zero is how shops say that it is not set."""
    assert weight_of(value, unit) == weight


def test_a_weight_of_an_unknown_unit_is_refused() -> None:
    """A number without a unit is no weight."""
    with pytest.raises(RecordInvalid, match="unit"):
        weight_of(1, "stone")


def test_the_amounts_of_a_level() -> None:
    """Names are sorted, unknown amounts left out, and the number for sums is exact."""
    facts = LevelFacts(
        id="1", location_id="default", available="1.5", quantities={"b": 2, "a": "0.5", "c": None}
    )
    found = level_of(facts, Details())

    assert list(found.quantities) == ["a", "b"]
    assert found.available_micros == 1_500_000
    assert level_of(LevelFacts(id="1", location_id="default"), Details()).available_micros is None
