"""Normalized records: the documents that consumers read in `connections/{id}/orders|products|inventory`.

Times are aware UTC, money is a decimal string with its ISO 4217 code, ids are strings, our own
enumerations are lower snake case. `marketplace_status` keeps the marketplace's own word.

Every field of a record is always there. It is null if the marketplace does not tell it, or was not asked;
an empty list says that there are none. Inside lists and maps a field is left out if it equals its default.
"""

from __future__ import annotations

from orchestrator.model.records.catalogue import (
    Barcode,
    BarcodeKind,
    Option,
    Product,
    ProductStatus,
    StockLevel,
    StockStatus,
    Variant,
    Weight,
    WeightUnit,
)
from orchestrator.model.records.order import (
    Buyer,
    Destination,
    Fulfillment,
    FulfillmentStatus,
    LinePart,
    Order,
    OrderLine,
    OrderStatus,
    PaymentStatus,
    Refund,
    ShipmentStatus,
)
from orchestrator.model.records.parts import Attribute, Charge, FulfilledBy, Money, Part, Quantity, Warnings

__all__ = [
    "Attribute",
    "Barcode",
    "BarcodeKind",
    "Buyer",
    "Charge",
    "Destination",
    "FulfilledBy",
    "Fulfillment",
    "FulfillmentStatus",
    "LinePart",
    "Money",
    "Option",
    "Order",
    "OrderLine",
    "OrderStatus",
    "Part",
    "PaymentStatus",
    "Product",
    "ProductStatus",
    "Quantity",
    "Record",
    "Refund",
    "ShipmentStatus",
    "StockLevel",
    "StockStatus",
    "Variant",
    "Warnings",
    "Weight",
    "WeightUnit",
]

Record = Order | Product | StockLevel
