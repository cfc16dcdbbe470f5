"""The second stage of Shopify's products: everything that costs points, only for products that changed.

Source: shopify.dev, Admin API 2026-10, read 2026-11-29. `nodes` answers with null for a product that is gone.
A product has 2,048 variants and 250 media at most.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orchestrator.decoding import UNREADABLE
from orchestrator.errors import ResponseInvalid
from orchestrator.marketplaces.shopify import queries
from orchestrator.marketplaces.shopify.api import Shop, ask
from orchestrator.marketplaces.shopify.nested_rows import Rows, all_rows
from orchestrator.marketplaces.spec import Session

_OPERATION = "product details"
_Fields = dict[str, msgspec.Raw]


class _Id(msgspec.Struct):
    id: str


class _Count(msgspec.Struct):
    count: int = 0


class _Listed(msgspec.Struct, rename="camel"):
    id: str
    variants_count: _Count | None = None


class _Row(msgspec.Struct):
    """A row as `listings` makes it."""

    currency: str
    product: _Listed


class _Products(msgspec.Struct):
    rows: list[msgspec.Raw]


class _Nested(msgspec.Struct):
    media: Rows
    variants: Rows


def has_many_variants(raw: bytes) -> bool:
    """Whether a listed product takes more than one further call; a row that cannot be read takes none."""
    try:
        count = msgspec.json.decode(raw, type=_Row).product.variants_count
    except UNREADABLE:
        return False
    return count is not None and count.count > queries.FIRST_VARIANTS + queries.VARIANTS_SIZE


def complete_products(session: Session[Shop], products: Sequence[bytes]) -> Sequence[bytes]:
    """The listed products with all their fields, images and variants.

    One that is gone, or cannot be read, is returned as it is listed; the first kind says so.

    Raises:
        MarketplaceError: The products' details could not be read.
    """
    known = [_read(raw) for raw in products]
    ids = [row.product.id for row in known if row is not None]
    found: dict[str, msgspec.Raw] = {}
    if ids:
        answer = ask(session, _OPERATION, queries.WHOLE_PRODUCTS, _Products, ids=ids)
        found = {_id_of(raw): raw for raw in answer.rows if bytes(raw) != b"null"}
    return [
        raw if row is None else _completed(session, raw, row, found.get(row.product.id))
        for raw, row in zip(products, known, strict=True)
    ]


def _read(raw: bytes) -> _Row | None:
    try:
        return msgspec.json.decode(raw, type=_Row)
    except UNREADABLE:
        return None


def _id_of(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=_Id).id
    except UNREADABLE:
        raise ResponseInvalid("shopify product details: a product came without its id") from None


def _completed(session: Session[Shop], raw: bytes, row: _Row, found: msgspec.Raw | None) -> bytes:
    if found is None:
        gone: _Fields = msgspec.json.decode(raw, type=_Fields)
        return msgspec.json.encode({**gone, "isGone": True})
    try:
        nested = msgspec.json.decode(found, type=_Nested)
    except UNREADABLE:
        raise ResponseInvalid("shopify product details: a product came without its variants") from None
    product: dict[str, object] = dict(msgspec.json.decode(found, type=_Fields))
    for name, query, first in (
        ("media", queries.IMAGES, nested.media),
        ("variants", queries.VARIANTS, nested.variants),
    ):
        product[name] = {"nodes": all_rows(session, f"product {name}", query, row.product.id, first)}
    return msgspec.json.encode({"currency": row.currency, "product": product})
