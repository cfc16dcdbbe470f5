"""The sample connections of the local stack: up to two sellers per marketplace, in three organizations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from local.folder import Folder
from orchestrator import wiring
from orchestrator.errors import NotPossible
from orchestrator.model import ids
from orchestrator.model.audit import Actor, Face
from orchestrator.model.connection import VAULT, connection_from_document
from orchestrator.operators import connections
from orchestrator.operators.sellers import adding
from orchestrator.operators.sellers.adding import Secret
from orchestrator.ports import Update, Write
from orchestrator.services import Services
from orchestrator.vault.credential import sealed_write

#: Accounts of each sandbox.
ACCOUNTS = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """A connection to one sandbox account, with the credential that the sandbox accepts."""

    id: str
    organization_id: str
    marketplace: str
    name: str
    settings: Mapping[str, Any]
    credential: Mapping[str, str]


_AMAZON_MARKETPLACES = ["AE08WJ6YKNBMC", "A1F83G8C2ARO7P"]

SAMPLES = (
    Sample(
        "amazon-0",
        "northwind",
        "amazon",
        "Northwind on Amazon",
        {"region": "eu", "marketplace_ids": _AMAZON_MARKETPLACES, "seller_id": "ASANDBOX0"},
        {
            "client_id": "amzn1.application-oa2-client.sandbox-0",
            "client_secret": "amzn1.oa2-cs.v1.sandbox-0",
            "refresh_token": "Atzr|sandbox-0",
        },
    ),
    Sample(
        "amazon-1",
        "table-bay",
        "amazon",
        "Table Bay on Amazon",
        {"region": "eu", "marketplace_ids": _AMAZON_MARKETPLACES, "seller_id": "ASANDBOX1"},
        {
            "client_id": "amzn1.application-oa2-client.sandbox-1",
            "client_secret": "amzn1.oa2-cs.v1.sandbox-1",
            "refresh_token": "Atzr|sandbox-1",
        },
    ),
    Sample(
        "ebay-0",
        "northwind",
        "ebay",
        "Northwind on eBay",
        {"marketplace_id": "EBAY_GB"},
        {
            "client_id": "sandbox-app",
            "client_secret": "sandbox-cert",
            "refresh_token": "sandbox-refresh-0",
        },
    ),
    Sample(
        "shopify-0",
        "northwind",
        "shopify",
        "Northwind Gifts",
        {"shop": "sandbox-0.myshopify.com"},
        {"access_token": "shpat_sandbox_0"},
    ),
    Sample(
        "shopify-1",
        "kopje",
        "shopify",
        "Kopje Outfitters",
        {"shop": "sandbox-1.myshopify.com"},
        {"access_token": "shpat_sandbox_1"},
    ),
    Sample("takealot-0", "northwind", "takealot", "Northwind on Takealot", {}, {"api_key": "sandbox-key-0"}),
    Sample("takealot-1", "table-bay", "takealot", "Table Bay Trading", {}, {"api_key": "sandbox-key-1"}),
    Sample(
        "woocommerce-0",
        "kopje",
        "woocommerce",
        "Kopje's own shop",
        {"site": "https://sandbox-0.example"},
        {"consumer_key": "ck_sandbox_0", "consumer_secret": "cs_sandbox_0"},
    ),
    Sample(
        "woocommerce-1",
        "table-bay",
        "woocommerce",
        "Table Bay's own shop",
        {"site": "https://sandbox-1.example/shop"},
        {"consumer_key": "ck_sandbox_1", "consumer_secret": "cs_sandbox_1"},
    ),
)
#: The samples' marketplaces.
MARKETPLACES = tuple(sorted({sample.marketplace for sample in SAMPLES}))


def add_samples(
    services: Services, folder: Folder, base_urls: Mapping[str, str], samples: Sequence[Sample] = SAMPLES
) -> None:
    """Add the sample connections; existing ones get the sandboxes' current addresses."""
    for sample in samples:
        content = msgspec.json.encode(sample.credential).decode()
        settings = {**sample.settings, "base_url": base_urls[sample.marketplace]}
        try:
            adding.add(
                services,
                sample.id,
                by=Actor(wiring.caller(services.settings), Face.COMMAND_LINE),
                secret=Secret(content, check=False),
                organization_id=sample.organization_id,
                marketplace=sample.marketplace,
                name=sample.name,
                credential="",
                settings=settings,
            )
        except NotPossible:
            services.store.commit(_moved(services, folder, sample, settings, content))


def _moved(
    services: Services, folder: Folder, sample: Sample, settings: Mapping[str, Any], content: str
) -> list[Write]:
    """Move a connection to its sandbox's address; a credential in the vault is encrypted for the new one."""
    found = connections.show(services, sample.id).document
    writes: list[Write] = [Update(ids.connection_path(sample.id), {"settings": settings})]
    connection = connection_from_document(sample.id, {**found, "settings": settings})
    if connection.credential == VAULT:
        writes.append(sealed_write(services, sample.id, connection, content))
    else:  # of a store that an earlier release made
        folder.secret(sample.id, content)
    return writes
