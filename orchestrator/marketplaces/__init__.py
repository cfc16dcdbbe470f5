"""The marketplaces this package knows, one connector each."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.marketplaces import amazon, ebay, shopify, takealot, woocommerce
from orchestrator.marketplaces.spec import Connector

REGISTRY: Mapping[str, Connector] = {
    "amazon": amazon.CONNECTOR,
    "ebay": ebay.CONNECTOR,
    "shopify": shopify.CONNECTOR,
    "takealot": takealot.CONNECTOR,
    "woocommerce": woocommerce.CONNECTOR,
}
