"""The connections of a chaos: three accounts of each marketplace's sandbox."""

from __future__ import annotations

import re
from typing import Any

from local.samples import MARKETPLACES, SAMPLES, Sample

#: Accounts of each sandbox.
ACCOUNTS = 3


def _seller(marketplace: str, number: int) -> Sample:
    """An account of a sandbox: its credential and settings are the first sample's, with its own number."""
    first = next(sample for sample in SAMPLES if sample.id == f"{marketplace}-0")
    return Sample(
        id=f"{marketplace}-{number}",
        organization_id=first.organization_id,
        marketplace=marketplace,
        name=f"Seller {number} on {marketplace}",
        settings={name: _numbered(value, number) for name, value in first.settings.items()},
        credential={name: str(_numbered(value, number)) for name, value in first.credential.items()},
    )


def _numbered(value: Any, number: int) -> Any:
    if not isinstance(value, str) or "sandbox" not in value.lower():
        return value
    return re.sub(r"(?<=[-_X])0\b", str(number), value)


SELLERS = tuple(_seller(marketplace, number) for marketplace in MARKETPLACES for number in range(ACCOUNTS))
