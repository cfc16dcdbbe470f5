"""Pages of Shopify's sandbox: orders, products, locations and stock levels, in sort order and by cursor."""

from __future__ import annotations

import base64
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, takewhile
from typing import Any

import msgspec

from local.sandbox.account import Account
from local.sandbox.catalogue import Item, Sale
from local.sandbox.http import Request
from local.sandbox.shopify import products, rows
from local.sandbox.shopify.graphql import LARGEST_PAGE, Refused, Row
from local.sandbox.shopify.rows import Node
from local.sandbox.shopify.search import Search

#: A row's position in its listing: two numbers, compared in this order.
Place = tuple[int, int]


class Listings:
    """The root fields of one query to an account; the request's faults affect them."""

    def __init__(self, account: Account, request: Request) -> None:
        self._account = account
        self._malformed = request.malformed
        self._expired = request.expired_token
        self._newest = request.newest
        self._unshown = request.unshown

    def fields(self) -> Node:
        """The query's root fields."""
        return {
            "shop": rows.shop(self._account),
            "orders": self._orders,
            "order": self._order_by_id,
            "fulfillment": self._parcel_by_id,
            "refund": self._refund_by_id,
            "products": self._products,
            "product": self._product_by_id,
            "nodes": self._nodes,
            "locations": self._locations,
            "location": self._location_by_id,
            "inventoryLevel": self._level_by_id,
        }

    def _orders(
        self,
        first: int,
        after: str | None = None,
        sort_key: str = "PROCESSED_AT",
        reverse: bool = False,
        query: str = "",
    ) -> Node:
        terms, bound = Search.parse(query), f"orders {query} {sort_key}"
        start = self._start(after, bound)
        account = self._account
        places: Iterable[Place]
        if sort_key == "UPDATED_AT":
            places = self._until(terms, account.sales_from(*(start or (terms.since, 0))))
        else:
            places = ((0, index) for index in range(start[1] if start else 0, account.sales))
        found = (
            (place, self._row("Order", place, lambda index: self._order(account.sale(index))))
            for place in _not(reverse, "reverse", places)
            if sort_key == "UPDATED_AT" or self._within(terms, account.sale(place[1]).updated)
        )
        return self._page(found, first, bound, "Order")

    def _products(
        self,
        first: int,
        after: str | None = None,
        sort_key: str = "ID",
        reverse: bool = False,
        query: str = "",
    ) -> Node:
        terms, bound = Search.parse(query), f"products {query} {sort_key}"
        start = self._start(after, bound)
        account = self._account
        statuses = terms.statuses or {"active"}
        places: Iterable[Place]
        if sort_key == "UPDATED_AT":
            places = self._until(terms, account.items_from(*(start or (terms.since, 0))))
        else:
            places = ((0, index) for index in account.listed(start[1] if start else 0))
        items = ((place, account.item(place[1])) for place in _not(reverse, "reverse", places))
        found = (
            (place, self._row("Product", place, lambda index: self._product(account.item(index))))
            for place, item in items
            if item.status in statuses and self._within(terms, item.updated)
        )
        return self._page(found, first, bound, "Product")

    def _locations(
        self,
        first: int,
        after: str | None = None,
        sort_key: str = "NAME",
        include_inactive: bool = False,
        **_: Any,
    ) -> Node:
        bound = f"locations {sort_key} {include_inactive}"
        start = self._start(after, bound)
        nodes = [each for each in self._all_locations() if each["isActive"] or include_inactive]
        nodes.sort(key=lambda each: str(each["id" if sort_key == "ID" else "name"]))
        found = (
            ((0, number), node) for number, node in enumerate(nodes) if number >= (start[1] if start else 0)
        )
        return self._page(found, first, bound, "")

    def _levels(self, place: int, first: int, after: str | None = None, query: str = "") -> Node:
        terms, bound = Search.parse(query), f"levels {place} {query}"
        account = self._account
        index, variant = self._start(after, bound) or (0, 0)

        def found() -> Iterator[tuple[Place, Node]]:
            for each in account.listed(index):
                if not rows.holds(each, place):
                    continue
                for number in range(variant if each == index else 0, account.item(each).variants):
                    if self._within(terms, account.stock(each, number, place)[1]):
                        yield (each, number), self._shown(rows.level(account, each, number, place))

        return self._page(found(), first, bound, "InventoryLevel")

    def _until(self, terms: Search, places: Iterable[Place]) -> Iterable[Place]:
        newest = min(terms.until, self._newest)
        return takewhile(lambda place: place[0] <= newest, places)

    def _row(self, kind: str, place: Place, build: Callable[[int], Node]) -> Node | Row:
        if self._unshown:
            return self._shown(build(place[1]))
        # Any change of the account rebuilds all its rows: changes are rare, and no row is ever stale.
        key = (self._account.serial, self._account.changes, kind, place[1])
        return Row(key, partial(build, place[1]))

    def _shown(self, node: Node) -> Node:
        """The node; more of it than ids and time cannot be shown if a fault hides it."""
        if node["id"] not in self._unshown:
            return node

        def fail(**_: Any) -> Any:
            error = {"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
            raise Refused([error])

        told = {"id", "updatedAt", "item", "location"}
        return {name: value if name in told else fail for name, value in node.items()}

    def _within(self, terms: Search, updated: int) -> bool:
        return terms.since <= updated <= min(terms.until, self._newest)

    def _order(self, sale: Sale) -> Node:
        node = rows.order(self._account, sale)
        return node | {
            "lineItems": self._nested(node["lineItems"], f"lines {sale.id}"),
            "fulfillmentOrders": self._nested(node["fulfillmentOrders"], f"fulfillment orders {sale.id}"),
            "fulfillments": _listed(map(self._parcel, node["fulfillments"])),
            "refunds": _listed(map(self._refund, node["refunds"])),
        }

    def _parcel(self, node: Node) -> Node:
        lines = self._nested(node["fulfillmentLineItems"], f"parcel {node['id']}")
        return node | {"fulfillmentLineItems": lines, "trackingInfo": _listed(node["trackingInfo"])}

    def _refund(self, node: Node) -> Node:
        return node | {"refundLineItems": self._nested(node["refundLineItems"], f"refund {node['id']}")}

    def _parcel_by_id(self, id: str) -> Node | None:  # noqa: A002 - Shopify's name
        return next((self._parcel(each) for each in self._parts(id, "Fulfillment", "fulfillments")), None)

    def _refund_by_id(self, id: str) -> Node | None:  # noqa: A002 - Shopify's name
        return next((self._refund(each) for each in self._parts(id, "Refund", "refunds")), None)

    def _parts(self, gid: str, kind: str, name: str) -> Iterator[Node]:
        """The part of an order with an id: the number of the order, and two digits."""
        sale = self._account.sale_by_id(_number(gid, kind) // 100)
        parts = rows.order(self._account, sale)[name] if sale else []
        return (part for part in parts if part["id"] == gid)

    def _product(self, item: Item) -> Node:
        node = products.product(self._account, item)
        return node | {name: self._nested(node[name], f"{name} {item.id}") for name in ("media", "variants")}

    def _nested(self, nodes: list[Node], bound: str) -> Callable[..., Node]:
        def page(first: int, after: str | None = None) -> Node:
            start = self._start(after, bound)
            begin = start[1] if start else 0
            return self._page(
                (((0, begin + n), node) for n, node in enumerate(nodes[begin:])), first, bound, ""
            )

        return page

    def _all_locations(self) -> list[Node]:
        return [
            rows.location(self._account, place) | {"inventoryLevels": partial(self._levels, place)}
            for place in range(len(rows.LOCATIONS))
        ]

    def _order_by_id(self, id: str) -> Node | None:  # noqa: A002 - Shopify's name
        sale = self._account.sale_by_id(_number(id, "Order"))
        return self._shown(self._order(sale)) if sale else None

    def _product_by_id(self, id: str) -> Node | None:  # noqa: A002 - Shopify's name
        item = self._account.item_by_id(_number(id, "Product"))
        return self._shown(self._product(item)) if item else None

    def _nodes(self, ids: list[str]) -> list[Node | Row | None]:
        """The products, orders, parcels and refunds with these ids; the sandbox has no other nodes."""
        if len(ids) > LARGEST_PAGE:
            raise Refused([{"message": f"the input array takes {LARGEST_PAGE} values at most"}])
        return [self._node(each) for each in ids]

    def _node(self, gid: str) -> Node | Row | None:
        account = self._account
        if (place := account.item_place(_number(gid, "Product"))) is not None:
            return self._row("Product", (0, place), lambda index: self._product(account.item(index)))
        if (place := account.sale_place(_number(gid, "Order"))) is not None:
            return self._row("Order", (0, place), lambda index: self._order(account.sale(index)))
        return self._parcel_by_id(gid) or self._refund_by_id(gid)

    def _location_by_id(self, id: str) -> Node | None:  # noqa: A002 - Shopify's name
        return next((each for each in self._all_locations() if each["id"] == id), None)

    def _level_by_id(self, id: str) -> Node | None:  # noqa: A002 - Shopify's name
        account = self._account
        found = (
            level
            for place in range(len(rows.LOCATIONS))
            for index in account.listed()
            if rows.holds(index, place)
            for number in range(account.item(index).variants)
            if (level := rows.level(account, index, number, place))["id"] == id
        )
        return next(map(self._shown, found), None)

    def _start(self, after: str | None, bound: str) -> Place | None:
        """The place after a cursor's.

        Raises:
            Refused: The cursor belongs to another query, or a fault makes it expire.
        """
        if after is None:
            return None
        try:
            digest, first, second = msgspec.json.decode(base64.b64decode(after), type=tuple[int, int, int])
        except (msgspec.DecodeError, ValueError):
            digest, first, second = -1, 0, 0
        if digest != zlib.crc32(bound.encode()) or self._expired:
            raise Refused([{"message": "Invalid cursor for current pagination sort."}])
        return first, second + 1

    def _page(self, found: Iterable[tuple[Place, Node | Row]], first: int, bound: str, kind: str) -> Node:
        taken = list(islice(found, first + 1))
        kept = taken[:first]
        nodes: list[Node | Row] = [node for _, node in kept]
        if kind and self._malformed:
            nodes.insert(len(nodes) // 2, _broken(kind))
        cursor = None
        if kept:
            place = kept[-1][0]
            cursor = base64.b64encode(msgspec.json.encode((zlib.crc32(bound.encode()), *place))).decode()
        return {"nodes": nodes, "pageInfo": {"hasNextPage": len(taken) > first, "endCursor": cursor}}


def _listed(nodes: Iterable[Node]) -> Callable[..., list[Node]]:
    """A list that is no connection: it has a size, and no cursor."""
    found = list(nodes)
    return lambda first=None: found[:first]


def _not(asked: bool, name: str, places: Iterable[Place]) -> Iterable[Place]:
    if asked:
        raise Refused([{"message": f"this sandbox does not serve {name}"}])
    return places


def _number(gid: str, kind: str) -> int:
    """The number in a global id of a kind; -1 if it is no such id."""
    tail = gid.removeprefix(f"gid://shopify/{kind}/")
    return int(tail) if tail.isdigit() else -1


def _broken(kind: str) -> Node:
    """A record whose required fields are null."""
    node: Node = defaultdict(lambda: None)
    node |= {"id": f"gid://shopify/{kind}/999000111", "legacyResourceId": "999000111"}
    return node
