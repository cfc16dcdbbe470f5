"""The arguments that choose a sandbox's data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from local.sandbox.catalogue import Source
from local.sandbox.generated import Generated
from local.sandbox.retail import Retail


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """A sandbox's content; the same arguments always give the same data."""

    marketplace: str
    seed: int = 1
    #: Orders of each account.
    orders: int = 1000
    #: Products of each account.
    products: int = 200
    accounts: int = 2
    #: Nothing is newer than this; aware.
    until: datetime
    #: A folder of real data instead of generated data.
    data: Path | None = None
    #: Whether limits are so low that a test reaches them.
    small_buckets: bool = False

    def source(self, account: int) -> Source:
        """One account's data.

        Raises:
            DataInvalid: The folder of real data cannot be read.
        """
        until = int(self.until.timestamp())
        if self.data is None:
            return Generated(self.seed, account, sales=self.orders, items=self.products, until=until)
        return Retail(
            self.data,
            self.marketplace,
            account,
            self.accounts,
            sales=self.orders,
            items=self.products,
            until=until,
        )
