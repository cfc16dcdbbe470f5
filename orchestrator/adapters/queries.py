"""What both document stores make of a query in the same way."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.ports import Filter


def order_of(where: Sequence[Filter], order_by: str | None, *, descending: bool) -> str | None:
    """The field that a query is ordered by before the id: as asked, or that of a range condition."""
    if order_by is None:
        order_by = next((each.field for each in where if each.op not in {"==", "in"}), None)
    if order_by is None and descending:
        raise ValueError("documents are listed backwards by a field only")
    return order_by
