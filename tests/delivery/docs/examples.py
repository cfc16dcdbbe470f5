"""Examples of connections, with placeholders for all that belongs to a seller.

docs/connections.md prints them, and tests hand them to the connectors.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Example:
    """A connection that a connector accepts."""

    connection_id: str
    settings: Mapping[str, str | list[str]]
    #: Every form of the secret by its title, each with all fields that it cannot do without.
    secrets: Mapping[str, Mapping[str, str]]

    @property
    def secret_name(self) -> str:
        """The secret's name; the worker may read no other names in the cloud."""
        return f"sync-connection-{self.connection_id}"

    def command(self, marketplace: str) -> str:
        """The command line that adds the connection; it asks for the secret."""
        words = [
            *("marketplace-sync", "connections", "add", self.connection_id),
            *("--marketplace", marketplace, "--organization", "my-company"),
        ]
        settings = [
            f"--setting {shlex.quote(f'{name}={_written(value)}')}" for name, value in self.settings.items()
        ]
        return " ".join([shlex.join(words), *settings])


def _written(value: str | list[str]) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


EXAMPLES: Mapping[str, Example] = {
    "amazon": Example(
        "my-amazon",
        {
            "region": "eu",
            "marketplace_ids": ["A1F83G8C2ARO7P", "AE08WJ6YKNBMC"],
            "seller_id": "AYOURMERCHANTTOKEN",
        },
        {
            "the application's credentials and the seller's authorization": {
                "client_id": "amzn1.application-oa2-client.YOUR-CLIENT-ID",
                "client_secret": "amzn1.oa2-cs.v1.YOUR-CLIENT-SECRET",
                "refresh_token": "Atzr|YOUR-REFRESH-TOKEN",
            }
        },
    ),
    "ebay": Example(
        "my-ebay",
        {"marketplace_id": "EBAY_GB"},
        {
            "the application's keys and the seller's consent": {
                "client_id": "YOUR-APP-ID",
                "client_secret": "YOUR-CERT-ID",
                "refresh_token": "YOUR-REFRESH-TOKEN",
            }
        },
    ),
    "shopify": Example(
        "my-shopify",
        {"shop": "name.myshopify.com"},
        {
            "client credentials": {"client_id": "YOUR-CLIENT-ID", "client_secret": "YOUR-CLIENT-SECRET"},
            "rotating token": {
                "client_id": "YOUR-CLIENT-ID",
                "client_secret": "YOUR-CLIENT-SECRET",
                "refresh_token": "YOUR-REFRESH-TOKEN",
            },
            "lasting token": {"access_token": "shpat_YOUR-ACCESS-TOKEN"},
        },
    ),
    "takealot": Example("my-takealot", {}, {"the account's key": {"api_key": "YOUR-API-KEY"}}),
    "woocommerce": Example(
        "my-woocommerce",
        {"site": "https://shop.example.com"},
        {
            "a REST API key": {
                "consumer_key": "ck_YOUR-CONSUMER-KEY",
                "consumer_secret": "cs_YOUR-CONSUMER-SECRET",
            }
        },
    ),
}
