"""Queries across all connections of an organization, as the documentation prints them.

Each has an index in Terraform (tests/delivery/terraform/test_indexes.py) and is asked of Firestore's emulator
(test_queries.py beside this file).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from google.cloud.firestore_v1.base_query import BaseQuery, FieldFilter
from google.cloud.firestore_v1.client import Client


def _of(db: Client, records: str, organization_id: str) -> BaseQuery:
    """The records of one organization."""
    group: BaseQuery = db.collection_group(records)
    return group.where(filter=FieldFilter("organization_id", "==", organization_id))


def to_ship(db: Client, organization_id: str) -> BaseQuery:
    """Orders to ship, the most urgent first; those without a deadline come before them."""
    orders = _of(db, "orders", organization_id)
    return orders.where(filter=FieldFilter("to_ship", "==", True)).order_by("ship_by")


def to_ship_by(db: Client, organization_id: str, end_of_day: datetime) -> BaseQuery:
    """Orders to ship until a time; those without a deadline are left out."""
    orders = _of(db, "orders", organization_id).where(filter=FieldFilter("to_ship", "==", True))
    return orders.where(filter=FieldFilter("ship_by", "<=", end_of_day)).order_by("ship_by")


def revenue(
    db: Client, organization_id: str, marketplace: str, currency: str, since: datetime, until: datetime
) -> Any:
    """The net revenue of a marketplace in one currency, times 10^6; the result of an aggregation."""
    orders = (
        _of(db, "orders", organization_id)
        .where(filter=FieldFilter("marketplace", "==", marketplace))
        .where(filter=FieldFilter("currency", "==", currency))
        .where(filter=FieldFilter("created_at", ">=", since))
        .where(filter=FieldFilter("created_at", "<", until))
    )
    return orders.sum("net_micros", alias="net_micros")


def orders_with_sku(db: Client, organization_id: str, sku: str) -> BaseQuery:
    """Orders of a SKU, the newest first."""
    orders = _of(db, "orders", organization_id)
    return orders.where(filter=FieldFilter("skus", "array_contains", sku)).order_by(
        "created_at", direction="DESCENDING"
    )


def orders_of_status(db: Client, organization_id: str, status: str) -> BaseQuery:
    """Orders of a status, the newest first."""
    orders = _of(db, "orders", organization_id)
    return orders.where(filter=FieldFilter("status", "==", status)).order_by(
        "created_at", direction="DESCENDING"
    )


def products_with_sku(db: Client, organization_id: str, sku: str) -> BaseQuery:
    """Products with a SKU, one for each listing."""
    products = _of(db, "products", organization_id)
    return products.where(filter=FieldFilter("skus", "array_contains", sku))


def stock(db: Client, organization_id: str, sku: str) -> Any:
    """The stock of a SKU in all connections, times 10^6; the result of an aggregation."""
    levels = (
        _of(db, "inventory", organization_id)
        .where(filter=FieldFilter("sku", "==", sku))
        .where(filter=FieldFilter("deleted_at", "==", None))
    )
    return levels.sum("available_micros", alias="available_micros")


def changes(db: Client, records: str, organization_id: str, since: datetime) -> BaseQuery:
    """Records written after a time, the earliest first.

    Begin a minute before the last `synced_at` that was read, and apply each record by its path: a record may
    be seen twice.
    """
    found = _of(db, records, organization_id)
    return found.where(filter=FieldFilter("synced_at", ">", since)).order_by("synced_at")
