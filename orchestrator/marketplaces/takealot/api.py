"""Takealot's two APIs: settings, credential, and the parts in which the APIs differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.session_request import Settings
from orchestrator.marketplaces.spec import Access, Page, Scope, Session, Window

#: More days are not read for one page of ours than those of this many sales, unless it is one day.
MOST_ROWS = 1000


class SellerSettings(Settings, frozen=True, kw_only=True):
    """A connection's settings."""

    api: Annotated[
        Literal["marketplace_v1", "seller_v2"],
        Meta(description="Which of Takealot's two APIs the key is for."),
    ] = "marketplace_v1"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's content."""

    api_key: Annotated[str, Meta(description="The account's API key; Takealot shows it only once.")]

    def __post_init__(self) -> None:
        """Refuse a text that cannot be a header's value."""
        if not self.api_key or not self.api_key.isascii() or not self.api_key.isprintable():
            raise ValueError("api_key takes the key as Takealot shows it")


ACCESS = Access(
    menu_path=(
        "Seller Portal (as the account's owner)",
        "API Integrations",
        "API Access > Generate API key; for Seller API v2: Seller API > Authentication > Generate API Key",
    ),
    scopes_are="key",
    scopes=(Scope("API key", "everything; Takealot has no scopes", ("orders", "products", "inventory")),),
    lifetime="A key does not expire. An account has one active key: a new one disables the old one.",
    sources=(
        "https://marketplace-api.takealot.com/v1/docs",
        "https://repricer.co.za/docs/getting-started",
    ),
)


@dataclass(frozen=True, slots=True)
class Api:
    """One of the two APIs; a session holds the one that its key is for."""

    host: str
    #: The header that carries the key.
    header: Callable[[str], FixedHeader]
    fetch_orders: Callable[[Session[Api], Window, str | None], Page]
    fetch_products: Callable[[Session[Api], Window, str | None], Page]
    fetch_inventory: Callable[[Session[Api], Window, str | None], Page]
    check: Callable[[Session[Api]], str]
