"""The marketplaces this package knows, one connector each."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.marketplaces import shopify, takealot
from orchestrator.marketplaces.spec import Connector

REGISTRY: Mapping[str, Connector] = {
    "shopify": shopify.CONNECTOR,
    "takealot": takealot.CONNECTOR,
}
