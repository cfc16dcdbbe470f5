"""The worker as it is deployed, in a world that goes fifteen times as fast.

functions-framework serves this file: `main.py`, with those waits shortened that are no settings. What is
a setting (slice, lease, deadline) is shortened in `tests.system.chaos.site`, in about the same proportion.
"""

from __future__ import annotations

from datetime import timedelta

from main import sync_worker
from orchestrator.model import healing
from orchestrator.runs import heal
from orchestrator.sync import page_writer, pages
from orchestrator.tasks import claim

__all__ = ["sync_worker"]

claim.WATCH_EVERY_S = 1.0
claim.WATCHED_S = 6.0
page_writer.SIGN_OF_LIFE_S = 3.0
healing.APART = timedelta(seconds=4)
heal.LEASE_GRACE = timedelta(seconds=4)
heal.DISPATCH_IDLE = timedelta(seconds=8)
# Smaller commits, so that there are more moments to be killed at.
pages.JOINED_RECORDS = 20
