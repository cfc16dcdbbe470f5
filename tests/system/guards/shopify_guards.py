"""The guards of Shopify's second stage."""

from __future__ import annotations

from tests.system.guards.guard import Guard

SHOPIFY = "orchestrator/marketplaces/shopify/"
TESTS = "tests/marketplaces/shopify/"

SHOPIFY_GUARDS = (
    Guard(
        "invariant 4: products of many variants are completed alone, so that they fit a slice",
        "orchestrator/sync/details.py",
        "return changes[: max(1, first)]",
        "return changes",
        "tests/core/test_details.py::test_a_row_that_takes_many_calls_is_completed_alone",
    ),
    Guard(
        "records: a product that is gone before it is completed does not claim to have no variants",
        SHOPIFY + "product_records.py",
        "    if priced.is_gone:\n",
        "    if False:\n",
        TESTS + "test_shopify_details.py::test_a_product_that_is_gone_says_that_its_details_are_missing",
    ),
    Guard(
        "records: completed products are told by their ids",
        SHOPIFY + "product_details.py",
        "found.get(row.product.id))",
        "answer.rows.pop(0))",
        TESTS + "test_shopify_details.py::test_products_are_told_by_their_ids_and_not_by_their_places",
    ),
    Guard(
        "invariant 4: a refused cursor of variants does not begin the page of products again",
        SHOPIFY + "nested_rows.py",
        "        except PageTokenExpired:\n",
        "        except ZeroDivisionError:\n",
        TESTS + "test_shopify_details.py::test_a_cursor_of_variants_that_is_refused_begins_them_again",
    ),
    Guard(
        "records: completed orders are told by their ids",
        SHOPIFY + "order_details.py",
        'order = found.get(gid or "")',
        "order = None if gid is None else answer.rows.pop(0)",
        TESTS + "test_order_details.py::test_orders_are_told_by_their_ids_and_not_by_their_places",
    ),
    Guard(
        "records: no parcel is missing because a list without a cursor was full",
        SHOPIFY + "order_details.py",
        "if len(order.parcel_ids) < queries.PARCEL_IDS_SIZE and",
        "if True or",
        TESTS + "test_order_details.py::test_all_ids_are_asked_for_if_there_may_be_more",
    ),
    Guard(
        "records: a parcel that came without all its tracking numbers is asked for again",
        SHOPIFY + "order_details.py",
        "has_next_page and len(self.tracking_info) < queries.FIRST_TRACKING",
        "has_next_page",
        TESTS + "test_order_details.py::test_later_lines_and_tracking_numbers_are_read",
    ),
    Guard(
        "invariant 4: orders that are completed together fit a slice",
        SHOPIFY + "order_details.py",
        "if parcels.calls() + refunds.calls() >= _MOST_CALLS:",
        "if False:",
        TESTS + "test_order_details.py::test_orders_of_very_many_parcels_are_not_completed_together",
    ),
    Guard(
        "records: a refusal of all nodes is no answer that they are gone",
        SHOPIFY + "api.py",
        "(each if isinstance(each, list) else [each])",
        "[each]",
        TESTS + "test_order_details.py::test_details_that_make_no_sense_are_an_error",
    ),
    Guard(
        "records: orders without the right to their deadlines are stored all the same",
        SHOPIFY + "order_details.py",
        "    except PermissionDenied as error:\n",
        "    except ZeroDivisionError as error:\n",
        TESTS + "test_shopify_details.py::test_without_the_access_scope_orders_come_without_deadlines",
    ),
    Guard(
        "records: deadlines cost calls only for orders that have something left to send",
        SHOPIFY + "order_details.py",
        'ids = [_id(raw) if awaits_shipment(raw) else "" for raw in orders]',
        "ids = [_id(raw) for raw in orders]",
        TESTS + "test_shopify_details.py::test_an_order_of_which_nothing_is_left_to_send_costs_no_call",
    ),
)
