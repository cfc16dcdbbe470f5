"""Reading, deciding and committing again after a conflict."""

from __future__ import annotations

import logging

from orchestrator.services import Services

log = logging.getLogger(__name__)


_PAGE = 300


_TRIES = 60


def pause(services: Services, attempt: int) -> None:
    """Back off before reading and deciding again: full jitter, at most 0.4 s."""
    services.clock.sleep(services.random.uniform(0.005, min(0.4, 0.02 * 2 ** min(attempt, 6))))
