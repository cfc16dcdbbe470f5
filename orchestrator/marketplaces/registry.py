"""The connectors of this package, by marketplace."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.marketplaces.amazon.connector import CONNECTOR as AMAZON
from orchestrator.marketplaces.ebay.connector import CONNECTOR as EBAY
from orchestrator.marketplaces.shopify.connector import CONNECTOR as SHOPIFY
from orchestrator.marketplaces.spec import AnyConnector
from orchestrator.marketplaces.takealot.connector import CONNECTOR as TAKEALOT
from orchestrator.marketplaces.woocommerce.connector import CONNECTOR as WOOCOMMERCE

REGISTRY: Mapping[str, AnyConnector] = {
    "amazon": AMAZON,
    "ebay": EBAY,
    "shopify": SHOPIFY,
    "takealot": TAKEALOT,
    "woocommerce": WOOCOMMERCE,
}
