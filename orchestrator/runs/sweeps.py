"""The messages that have a run's open shards swept or cancelled, a range of shards in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Literal

from orchestrator.model import ids
from orchestrator.model.messages import Message
from orchestrator.model.run import Run
from orchestrator.ports import Snapshot
from orchestrator.runs.close import open_shards
from orchestrator.services import Services

#: Shards in one message; a worker that has no time for all of them publishes the rest.
RANGE = 32
#: Open shards that are looked up one by one; if there may be more, the messages cover all shards.
LISTED = 64
#: Bounds the messages of one heal for one run: they cover a million connections.
MESSAGES = 500
#: A number with more digits is no shard of ours.
_DIGITS = 6


def sweep_late(services: Services, run_id: str, run: Run) -> None:
    """Publish `sweep` for the open shards of a running run that is past its deadline; else do nothing.

    The worker that makes or finds a run `running` past its deadline has it swept at once: the messages of its
    shards may have been lost.

    Raises:
        StoreUnavailable: Deliver the message again.
        QueueUnavailable: Deliver the message again.
    """
    if services.clock.now() > run.deadline_at:
        shards = open_shards(services, run_id, limit=LISTED)
        services.queue.publish(shard_messages(run_id, run, "sweep", shards))


def is_overdue(services: Services, run: Run) -> bool:
    """Whether every lease of the run has ended too, so that nobody can still be at work for it."""
    grace = timedelta(seconds=services.settings.lease_seconds)
    return services.clock.now() > run.deadline_at + grace


def shard_messages(
    run_id: str, run: Run, kind: Literal["sweep", "cancel"], shards: Sequence[Snapshot]
) -> list[Message]:
    """Messages for a run's open shards.

    Args:
        run_id: The run.
        run: Its document.
        kind: The work.
        shards: At most LISTED open shards; if there are as many, the run may have more of them.
    """
    numbers: dict[str, set[int]] = defaultdict(set)
    odd: list[str] = []
    for shard in shards:
        if (number := number_of(shard.id)) is None:
            odd.append(shard.id)
        else:
            numbers[ids.marketplace_of(shard.id)].add(number)
    ranges = [(name, name) for name in odd]
    if len(shards) < LISTED:
        for marketplace, found in sorted(numbers.items()):
            ranges += [_named(marketplace, *each) for each in _grouped(sorted(found))]
    else:
        for marketplace in sorted({*run.dispatch, *numbers}):
            planned = run.dispatch[marketplace].n if marketplace in run.dispatch else 0
            end = max(planned, *numbers.get(marketplace, {-1}), 0)
            starts = islice(range(0, end + 1, RANGE), MESSAGES)
            ranges += [_named(marketplace, first, min(first + RANGE - 1, end)) for first in starts]
    return [
        Message(kind=kind, run_id=run_id, shard=first, last_shard=last if last != first else "")
        for first, last in ranges[:MESSAGES]
    ]


def shards_of(message: Message) -> list[str]:
    """The ids of the shards that a message is about: at most RANGE, beginning with its `shard`."""
    first, last = number_of(message.shard), number_of(message.last_shard)
    marketplace = ids.marketplace_of(message.shard)
    if first is None or last is None or ids.marketplace_of(message.last_shard) != marketplace:
        return [message.shard]
    end = max(first, min(last, first + RANGE - 1))
    return [ids.shard_id(marketplace, number) for number in range(first, end + 1)]


def number_of(shard: str) -> int | None:
    """The number in a shard's id; None if it is not of the usual form."""
    marketplace, _, digits = shard.rpartition("-")
    if not marketplace or not digits.isascii() or not digits.isdecimal() or len(digits) != _DIGITS:
        return None
    return int(digits)


def _grouped(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges of at most RANGE that cover these numbers."""
    first = last = numbers[0]
    for number in numbers:
        if number >= first + RANGE:
            yield first, last
            first = number
        last = number
    yield first, last


def _named(marketplace: str, first: int, last: int) -> tuple[str, str]:
    return ids.shard_id(marketplace, first), ids.shard_id(marketplace, last)
