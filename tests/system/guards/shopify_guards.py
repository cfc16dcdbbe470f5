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
        "records: orders without the right to their deadlines are stored all the same",
        SHOPIFY + "order_details.py",
        "    except PermissionDenied as error:\n",
        "    except ZeroDivisionError as error:\n",
        TESTS + "test_shopify_details.py::test_without_the_access_scope_orders_come_without_deadlines",
    ),
    Guard(
        "records: deadlines cost calls only for orders that have something left to send",
        SHOPIFY + "order_details.py",
        "not shop.fulfillment_orders or not awaits_shipment(raw)",
        "not shop.fulfillment_orders",
        TESTS + "test_shopify_details.py::test_an_order_of_which_nothing_is_left_to_send_costs_no_call",
    ),
)
