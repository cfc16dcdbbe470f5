"""WooCommerce: a page that ends early because its rows need own calls, on a site that keeps no order."""

from __future__ import annotations

from orchestrator.marketplaces.woocommerce.api import Listed
from orchestrator.marketplaces.woocommerce.pagination import Place, Row, Step

TIMES = ("2026-11-20T08:00:00", "2026-11-21T08:00:00", "2026-11-22T08:00:00", "2026-11-23T08:00:00")


def page(*order: int) -> Step:
    """Rows 1 to 4, each changed a day after the one before, in some order; the shop has nine."""
    rows = [Row(b"{}", number, TIMES[number - 1]) for number in order]
    return Step(Place(), rows, Listed([], asked=4, total=9))


def test_rows_behind_an_early_end_are_not_taken_for_read() -> None:
    """Newest first: the rows after the two used ones are older, so the rest is read by id."""
    after = page(4, 3, 2, 1).after(used=2)

    assert after.more
    assert (after.place.by_id, after.place.at) == ("rest", None)


def test_a_page_in_order_goes_on_from_its_early_end() -> None:
    """The next page begins in the second of the last row that was used."""
    after = page(1, 2, 3, 4).after(used=2)

    assert after.more
    assert (after.place.by_id, after.place.at, after.place.seen) == (None, TIMES[1], (2,))
