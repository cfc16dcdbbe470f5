"""The variations of one WooCommerce product."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import msgspec

from orchestrator.errors import MarketplaceUnavailable
from orchestrator.marketplaces.spec import Session
from orchestrator.marketplaces.woocommerce import api as sites
from orchestrator.marketplaces.woocommerce.api import Listed, Site
from orchestrator.marketplaces.woocommerce.narrowing import Hole, narrowed


class Variations(NamedTuple):
    """The variations of a product."""

    rows: list[msgspec.Raw]
    #: The site's count of them.
    total: int
    #: Those that the site cannot show.
    holes: list[Hole]


def variations_of(
    session: Session[Site], product_id: int, fields: str, size: int, *, is_narrow: bool = False
) -> Variations:
    """All variations of a product, each once; a page that fails is narrowed down if `is_narrow`."""
    found: list[msgspec.Raw] = []
    holes: list[Hole] = []
    seen: set[int] = set()

    def read(offset: int, count: int) -> Listed:
        params = [("orderby", "id"), ("order", "asc"), ("offset", str(offset)), ("_fields", fields)]
        return sites.list_rows(session, "variations", f"products/{product_id}/variations", params, count)

    while True:
        skip = len(found) + len(holes)
        new: list[Hole] = []
        try:
            listed = read(skip, size)
        except MarketplaceUnavailable:
            if not is_narrow:
                raise
            listed, new = narrowed(
                lambda offset, count, *_, skip=skip: read(skip + offset, count), size, skip=skip
            )
        is_full = len(listed.rows) + len(new) >= listed.asked
        found += sites.unread(listed.rows, seen)
        holes += (replace(hole, offset=skip + hole.offset) for hole in new)
        count = len(found) + len(holes)
        total = listed.total if listed.total is not None else count
        if count == skip or (count >= total and not is_full):
            return Variations(found, max(total, count), holes)
