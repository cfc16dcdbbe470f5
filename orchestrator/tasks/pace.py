"""A connection's pace, from its document and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestrator.model.freshness import Pace
from orchestrator.services import Services


def pace_of(services: Services, document: Mapping[str, Any]) -> Pace:
    """The pace of a connection by its document, which people may have written; empty if it is gone."""
    marketplace = document.get("marketplace")
    connector = services.connectors.get(marketplace) if isinstance(marketplace, str) else None
    tick = timedelta(seconds=services.settings.tick_seconds)
    streams = connector.streams if connector is not None else {}
    return Pace.of(document, {name: stream.age for name, stream in streams.items()}, tick)
