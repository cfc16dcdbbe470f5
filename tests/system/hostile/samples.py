"""Valid raw records of every connector and stream, as its sandbox gives them."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.marketplaces.spec import AnyConnector, AnyStream
from tests.marketplaces.conformance.case import opened
from tests.marketplaces.conformance.market import Market, registered

_SIZE, _KEPT = 12, 6


class Kind(NamedTuple):
    """A stream, and the settings of which its records are."""

    market: Market
    stream: AnyStream
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def connector(self) -> AnyConnector:
        """The stream's connector."""
        return self.market.connector

    def __str__(self) -> str:
        return "-".join([self.market.name, self.stream.name, *(value for _, value in self.settings)])


def kinds() -> list[Kind]:
    """All there are; of Takealot's two APIs each."""
    found = [Kind(market, stream) for market in registered() for stream in market.connector.streams.values()]
    return found + [
        kind._replace(settings=(("api", "seller_v2"),)) for kind in found if kind.market.name == "takealot"
    ]


@cache
def samples(kind: Kind) -> tuple[bytes, ...]:
    """Some raw records."""
    market = kind.market
    if kind.settings:
        market = Market(
            market.name,
            market.connector,
            market.build,
            {**market.settings, **dict(kind.settings)},
            {"api_key": "sandbox-v2-key-0"},
        )
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(market, kind.stream.name, Path(folder), size=_SIZE) as case,
    ):
        records = [raw for page in case.pages() for raw in page.records]
    assert len(records) >= 3
    return tuple(sorted(records, key=len, reverse=True)[:_KEPT])
