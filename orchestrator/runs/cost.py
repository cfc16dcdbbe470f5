"""The list price of a run's reads, writes and messages."""

from __future__ import annotations

from orchestrator.model.counts import Cost

# Google Cloud list prices in us-central1, USD, read 2026-11 (cloud.google.com/firestore/pricing,
# cloud.google.com/pubsub/pricing); an estimate, not a bill.
READ_USD = 0.03 / 100_000
WRITE_USD = 0.09 / 100_000
#: A message is billed as at least 1 KB, once published and once delivered, at 40 USD a TiB.
MESSAGE_USD = 2 * 1024 * 40 / 2**40


def estimated_usd(cost: Cost, tasks: int) -> float:
    """The price of this use and of one message a task at Firestore and Pub/Sub, without compute time."""
    usd = cost.document_reads * READ_USD + cost.document_writes * WRITE_USD + tasks * MESSAGE_USD
    return round(usd, 8)
