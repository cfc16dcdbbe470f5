"""Accounts' credentials: the marketplace's token endpoint, and the secret store between it and the product.

Source of the rotation's rules: shopify.dev, "More resilient refreshes for expiring offline access tokens":
a refresh token is replaced on each use, and the one before it stays good until the new pair is first used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.errors import CredentialsRejected, SecretMissing, SecretUnavailable
from orchestrator.marketplaces.auth import Rotation
from tests.system.simulation.process import Process

if TYPE_CHECKING:
    from tests.system.simulation.history import History

#: Stands in every secret and token.
SECRET = "s3cr3t"
#: Seconds.
TOKEN_AGE = 1800
#: An instance may remember a secret so long.
CACHED = timedelta(seconds=300)


@dataclass
class Account:
    """One seller's credentials at the marketplace."""

    name: str
    #: Whether the refresh token before the newest is refused at once.
    strict: bool = False
    revoked: bool = False
    _made: int = 0
    #: Refresh tokens that are good, and the pair's access token by each; the newest last.
    _good: dict[str, str] = field(default_factory=dict)
    _expires: dict[str, datetime] = field(default_factory=dict)

    def grant(self, now: datetime) -> dict[str, Any]:
        """A person authorizes anew: the secret's content."""
        self.revoked = False
        self._good.clear()
        pair = self._pair(now)
        return {"refresh_token": pair.refresh_token}

    def rotate(self, refresh_token: str, now: datetime) -> Rotation:
        """The token endpoint.

        Raises:
            CredentialsRejected: The refresh token is not good any more.
        """
        if self.revoked or refresh_token not in self._good:
            raise CredentialsRejected("market token: answered 400 (invalid_grant)")
        self._first_used(refresh_token)
        kept = {} if self.strict else {refresh_token: self._good[refresh_token]}
        self._good = kept
        return self._pair(now)

    def lets_in(self, access_token: str, now: datetime) -> bool:
        """Whether a call with this token is answered."""
        refresh_token = next((name for name, access in self._good.items() if access == access_token), None)
        if self.revoked or refresh_token is None or self._expires[access_token] <= now:
            return False
        self._first_used(refresh_token)
        return True

    def _first_used(self, refresh_token: str) -> None:
        if refresh_token == next(reversed(self._good)):
            self._good = {refresh_token: self._good[refresh_token]}

    def _pair(self, now: datetime) -> Rotation:
        self._made += 1
        refresh, access = (f"{SECRET}-{kind}-{self.name}-{self._made}" for kind in ("refresh", "access"))
        self._good[refresh] = access
        self._expires[access] = now + timedelta(seconds=TOKEN_AGE)
        return Rotation(access, TOKEN_AGE, refresh)


@dataclass
class Vault:
    """All secrets' versions with the true time each was made; the latest last."""

    versions: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)

    def put(self, reference: str, content: dict[str, Any], now: datetime) -> None:
        """A new latest version."""
        self.versions.setdefault(reference, []).append((now, msgspec.json.encode(content).decode()))


class SimSecrets:
    """The secret store as one process reaches it: it may be away, and may remember what is no longer so."""

    def __init__(self, history: History, process: Process) -> None:
        self._history, self._process = history, process

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """See SecretStore."""
        versions = self._versions(reference)
        now = self._history.loop.now
        if not fresh and len(versions) > 1 and versions[-1][0] > now - CACHED:
            return versions[-2 if self._history.happens(self._history.faults.stale_secret) else -1][1]
        return versions[-1][1]

    def previous(self, reference: str) -> str | None:
        """See SecretStore."""
        versions = self._versions(reference)
        return versions[-2][1] if len(versions) > 1 else None

    def add_version(self, reference: str, content: str) -> None:
        """See SecretStore; the process may die on either side of it."""
        history = self._history
        self._versions(reference)
        history.perhaps_die(self._process)
        history.vault.put(reference, msgspec.json.decode(content), history.loop.now)
        history.seen["rotated"] += 1
        history.perhaps_die(self._process)

    def create(self, reference: str) -> None:
        """See SecretStore; every secret is there."""
        if self._history.happens(self._history.faults.no_secrets):
            raise SecretUnavailable(f"secret {reference}: the answer was lost")

    def _versions(self, reference: str) -> list[tuple[datetime, str]]:
        history = self._history
        history.loop.pause()
        if history.happens(history.faults.no_secrets):
            history.seen["secret store away"] += 1
            raise SecretUnavailable(f"secret {reference}: no answer")
        found = history.vault.versions.get(reference)
        if not found:
            raise SecretMissing(f"secret {reference}: is not there", action="create it")
        return found
