"""Queries to WooCommerce's collections: their parameters, and WordPress's refusals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from local.sandbox.http import Reply, Request

Kind = Literal["orders", "products", "variations"]
OrderBy = Literal["date", "id", "modified"]
_LARGEST_PAGE = 100


class Refused(Exception):
    """The call is refused; `reply` is the answer in WordPress's form."""

    def __init__(self, status: int, code: str, message: str, params: dict[str, str] | None = None) -> None:
        super().__init__(code)
        data: dict[str, Any] = {"status": status}
        if params:
            data |= {"params": params, "details": {}}
        self.reply = Reply.json(status, {"code": code, "message": message, "data": data})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A collection's parameters, parsed."""

    kind: Kind
    order_by: OrderBy
    is_descending: bool
    status: str
    type: str
    #: Strict bounds: each is the text of a time, or empty.
    after: str
    before: str
    modified_after: str
    modified_before: str
    #: Whether the bounds are compared with times in UTC instead of the site's zone.
    dates_are_gmt: bool
    offset: int
    per_page: int
    fields: frozenset[str]
    #: Unix time of the newest change that the page may show.
    newest: int


def read_query(request: Request, kind: Kind, *, takes_modified: bool, filters_modified: bool) -> Query:
    """Read the parameters.

    Args:
        request: The call.
        kind: The collection.
        takes_modified: Whether the site can order by modification time.
        filters_modified: Whether the site knows bounds on the modification time and `dates_are_gmt`; it
            ignores unknown parameters.

    Raises:
        Refused: A parameter does not take the given value.
    """
    order_by: OrderBy = "date"
    if given := request.one("orderby"):
        if given not in get_args(OrderBy) or (given == "modified" and not takes_modified):
            raise _invalid("orderby", "orderby is not one of date, id, include, title, and slug.")
        order_by = given  # type: ignore[assignment] # one of its words
    order, status = request.one("order", "desc"), request.one("status", "any")
    if order not in {"asc", "desc"}:
        raise _invalid("order", "order is not one of asc and desc.")
    if kind == "orders" and status not in {"any", "trash", "pending", "processing", "completed"}:
        raise _invalid("status", "status[0] is not one of any, trash, pending, processing, and completed.")
    per_page = _number(request, "per_page", "10", 1)
    if per_page > _LARGEST_PAGE:
        raise _invalid("per_page", "per_page must be between 1 (inclusive) and 100 (inclusive)")
    page = _number(request, "page", "1", 1)
    is_gmt = filters_modified and request.one("dates_are_gmt", "false") in {"true", "1"}
    return Query(
        kind=kind,
        order_by=order_by,
        is_descending=order == "desc",
        status=status,
        type=request.one("type"),
        after=_time(request, "after"),
        before=_time(request, "before"),
        modified_after=_time(request, "modified_after") if filters_modified else "",
        modified_before=_time(request, "modified_before") if filters_modified else "",
        dates_are_gmt=is_gmt,
        offset=_number(request, "offset", str((page - 1) * per_page), 0),
        per_page=per_page,
        fields=frozenset(filter(None, request.one("_fields").split(","))),
        newest=request.newest,
    )


def _time(request: Request, name: str) -> str:
    text = request.one(name)
    try:
        _ = text and datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(name, "Invalid date.") from None
    return text


def _number(request: Request, name: str, default: str, least: int) -> int:
    text = request.one(name, default)
    if not text.isdecimal() or int(text) < least:
        raise _invalid(name, f"{name} must be greater than or equal to {least}")
    return int(text)


def _invalid(name: str, reason: str) -> Refused:
    return Refused(400, "rest_invalid_param", f"Invalid parameter(s): {name}", {name: reason})
