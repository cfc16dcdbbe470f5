"""The guards of WooCommerce's records."""

from __future__ import annotations

from tests.system.guards.guard import Guard

WOO = "orchestrator/marketplaces/woocommerce/"
TESTS = "tests/marketplaces/woocommerce/"

WOOCOMMERCE_GUARDS = (
    Guard(
        "personal data: a carrier's link with a buyer's postal code needs the connection's consent",
        WOO + "order_parts/parcels.py",
        '_texts(details, "tracking_urls", row.tracking_link) if with_buyer else ()',
        '_texts(details, "tracking_urls", row.tracking_link)',
        TESTS + "test_woocommerce_parcels.py::test_a_link_to_the_carrier_is_stored_only_with_personal_data",
    ),
    Guard(
        "records: a site without a call for parcels keeps no order waiting",
        WOO + "order_details.py",
        "    except NoRoute:\n",
        "    except ZeroDivisionError:\n",
        TESTS + "test_woocommerce_parcels.py"
        "::test_a_site_without_the_call_is_asked_once_and_each_order_says_so",
    ),
    Guard(
        "records: WooCommerce's refunds are read whole",
        WOO + "order_details.py",
        "if not new or not (is_full or len(found) < (page.total or 0)):",
        "if True:",
        TESTS + "test_woocommerce_parcels.py::test_more_refunds_than_one_page_are_all_read",
    ),
    Guard(
        "records: an order whose refunds are not all told is asked for alone",
        WOO + "order_details.py",
        "return [refunds[each] for each in ids] if ids and refunds.keys() >= set(ids) else None",
        "return [refunds[each] for each in ids if each in refunds] or None",
        TESTS + "test_woocommerce_refunds.py"
        "::test_an_order_whose_refunds_are_not_all_told_is_asked_for_alone",
    ),
    Guard(
        "invariant 4: orders with calls of their own that are completed together fit a slice",
        WOO + "order_details.py",
        "if completed and calls > _MOST_CALLS:",
        "if False:",
        TESTS + "test_woocommerce_refunds.py"
        "::test_many_orders_with_calls_of_their_own_are_not_completed_together",
    ),
    Guard(
        "records: a variation or refund that two pages show is stored once",
        WOO + "api.py",
        "if found not in seen:",
        "if True:",
        TESTS + "test_woocommerce_products.py"
        "::test_trap_a_variation_that_comes_back_moves_others_to_the_next_page",
    ),
    Guard(
        "personal data: a line's own words need the connection's consent",
        "orchestrator/marketplaces/unified/orders.py",
        "properties = line.properties if with_buyer else ()",
        "properties = line.properties",
        TESTS + "test_woocommerce_mapped.py"
        "::test_a_shops_own_attributes_are_options_and_others_the_buyers_words",
    ),
    Guard(
        "records: a weight without its unit is none",
        WOO + "product_records.py",
        "    if unit is None:\n",
        '    unit = unit or "kg"\n    if unit is None:\n',
        TESTS + "test_woocommerce_pages.py::test_weights",
    ),
)
