"""The arguments common to all use cases: ports, settings, connectors."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.marketplaces.spec import AnyConnector
from orchestrator.ports import ChangeFeed, Clock, DocumentStore, SecretStore, TaskQueue, Vault
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The world, as one invocation sees it."""

    settings: Settings
    store: DocumentStore
    queue: TaskQueue
    secrets: SecretStore
    clock: Clock
    connectors: Mapping[str, AnyConnector]
    #: Runs work that overlaps other work: reading the next page while the last one is written.
    executor: Executor
    #: Tells consumers of changed records; None if nobody is to be told.
    changes: ChangeFeed | None = None
    #: Encrypts sellers' credentials; None if this installation has no vault.
    vault: Vault | None = None
    #: Whether this process was told to end: then running work checkpoints and hands over.
    stopping: Callable[[], bool] = lambda: False
    #: For jitter and ids; seeded by tests.
    random: random.Random = field(default_factory=random.SystemRandom)

    def time(self) -> datetime:
        """The time for what other processes compare with their own: the store's, if it tells one.

        The clock of a person's machine may be minutes off.
        """
        return self.store.now() or self.clock.now()
