"""The rows of a GraphQL connection inside a node, such as the variants of a product."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from orchestrator.errors import PageTokenExpired
from orchestrator.marketplaces.shopify.api import PageInfo, Shop, ask
from orchestrator.marketplaces.spec import Session

#: How often a connection is begun again whose cursor is not accepted.
_RESTARTS = 3


class Rows(msgspec.Struct, rename="camel"):
    """One page of a connection."""

    nodes: list[msgspec.Raw]
    page_info: PageInfo


class _Rows(msgspec.Struct):
    rows: Rows


class _Parent(msgspec.Struct):
    #: None if it was deleted meanwhile.
    parent: _Rows | None


def all_rows(
    session: Session[Shop], operation: str, query: str, gid: str, first: Rows | None = None
) -> list[msgspec.Raw]:
    """The rows of a node's connection, as many as there are before the node is deleted.

    A cursor that Shopify no longer accepts begins this connection again: the listing's own cursor is still
    good, so its page need not be read again.

    Args:
        session: The session with the shop.
        operation: The call's name.
        query: Asks for a page of the connection as `rows` of `parent`.
        gid: The node's global id.
        first: The first page, if it came with the node.

    Raises:
        MarketplaceError: A page could not be read.
    """
    known: list[msgspec.Raw] = []
    cursor = None
    if first is not None:
        known, cursor = first.nodes, first.page_info.following(f"shopify {operation}", None)
        if cursor is None:
            return known
    for _ in range(_RESTARTS):
        try:
            return [*known, *_pages(session, operation, query, gid, cursor)]
        except PageTokenExpired:
            known, cursor = [], None
    return list(_pages(session, operation, query, gid, None))


def _pages(
    session: Session[Shop], operation: str, query: str, gid: str, cursor: str | None
) -> Iterator[msgspec.Raw]:
    """The rows behind a cursor, or all of them."""
    while True:
        parent = ask(session, operation, query, _Parent, id=gid, after=cursor).parent
        if parent is None:
            return
        yield from parent.rows.nodes
        cursor = parent.rows.page_info.following(f"shopify {operation}", cursor)
        if cursor is None:
            return
