"""Defects that simulated histories found, or would have: each by name, with a history that shows it.

`python -m tests.system.simulation --find NAME` removes the guard and finds a history; seeds depend on the way
histories are made: after a change there, find them again (`--check` names them). A defect that needs more
histories to show than a check has time for is held by a test of its own in `tests/core` alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.system.guards.copies import copy_without, run_in

_HOUR_S = 3600


@dataclass(frozen=True)
class Regression:
    """One defect."""

    name: str
    #: What went wrong.
    story: str
    #: What guards against it now: the file, the text, and what stood there before.
    path: str
    line: str
    without: str
    #: A history that violates something without the guard.
    seed: int


REGRESSIONS = (
    Regression(
        "since-goes-back",
        "A window ended before the last one did, where another instance's clock was behind.",
        "orchestrator/sync/windows.py",
        "max(cursor.since, window.until)",
        "window.until",
        11,
    ),
    Regression(
        "seen-of-another-digest",
        "What a snapshot had seen was stored as bits of entries that were not yet stored.",
        "orchestrator/sync/page_writer.py",
        "seen=self.digest.seen_bits(), blind",
        "seen=window.seen, blind",
        289,
    ),
    Regression(
        "refused-without-a-name",
        "A record that the store refuses was kept as a reject under a hash, and the reject stayed for ever.",
        "orchestrator/sync/rejects.py",
        'self._name(record.get("id"), raw)',
        "self._name(None, raw)",
        9,
    ),
    Regression(
        "long-span-held-up",
        "A nightly listing that an outage held up counted as new, and what changed meanwhile waited a day.",
        "orchestrator/sync/windows.py",
        "window.until + terms.stream.age + took",
        "window.until + timedelta(days=1)",
        15,
    ),
    Regression(
        "reject-is-forgotten",
        "A reject that was not listed for a while was forgotten by the digest, and stayed for ever.",
        "orchestrator/sync/digest.py",
        "oldest_day <= day < KEPT_DAY]",
        "oldest_day <= day]",
        17,
    ),
    Regression(
        "task-recorded-after-its-time",
        "The record of a task closed after a long outage could go at once: it was closed and counted again.",
        "orchestrator/tasks/ending.py",
        "return now + timedelta(days=services.settings.retention_days)",
        "return now",
        59,
    ),
    Regression(
        "others-are-no-sign-of-life",
        "A person's request was taken for a dead holder's sign of life, and nobody went on with its task.",
        "orchestrator/tasks/claim.py",
        "if state.lease != lease:",
        "if state != read.state:",
        78,
    ),
    Regression(
        "purge-outlives-its-removal",
        "A removal that stalled deleted the records of the connection that was added again under its id.",
        "orchestrator/operators/pause.py",
        "if snapshot is None or not state.removing or state.removed_at != self._began_at:",
        "if snapshot is None:",
        40,
    ),
    Regression(
        "heal-on-every-delivery",
        "Each delivery of a dispatch healed, and its messages healed again: a backlog multiplied itself.",
        "orchestrator/model/healing.py",
        "if age >= APART or age <= -AHEAD:",
        "if True:",
        2,
    ),
    Regression(
        "planned-twice",
        "A connection that moved to another marketplace was planned twice, and its run never closed.",
        "orchestrator/tasks/ending.py",
        'if first is None or first.data.get("shard", shard) == shard:',
        "if True:",
        59,
    ),
    Regression(
        "one-unreadable-state",
        "A state with a word of a later release stopped the heal, and with it a marketplace at every tick.",
        "orchestrator/model/documents.py",
        "except (msgspec.ValidationError, RecursionError) as error:",
        "except ZeroDivisionError as error:",
        10,
    ),
    Regression(
        "forced-run-eats-a-tick",
        "An instance whose clock was ahead took a forced run for the coming tick, which was then skipped.",
        "orchestrator/runs/start.py",
        "received_at = services.store.now() or now",
        "received_at = now",
        1,
    ),
    Regression(
        "end-in-the-future",
        "A worker whose clock was ahead ended a window in the future: changes after the listing were lost.",
        "orchestrator/sync/windows.py",
        "min(now, told or now) - stream.age",
        "now - stream.age",
        126,
    ),
    Regression(
        "release-holds-changes-up",
        "A raised version began a stream again: no change was stored until all history was read.",
        "orchestrator/sync/migration/versions.py",
        "migration = _history(terms, cursor)",
        "cursor, migration = Cursor(full=cursor.full), ()",
        1,
    ),
    Regression(
        "release-meets-a-first-listing",
        "A release met an open window, and the records that it had written stayed in the old version.",
        "orchestrator/sync/migration/versions.py",
        "cursor.window.until if cursor.window is not None else None]",
        "None]",
        11,
    ),
    Regression(
        "continuation-on-the-first-lane",
        "A back-fill's continuation took the place among small accounts that its own slice had just freed.",
        "orchestrator/adapters/lanes.py",
        "[message for message in messages if not message.is_continuation]",
        "list(messages)",
        0,
    ),
    Regression(
        "waits-for-its-turn",
        "A continuation waited longer than a lease for a place, and the next run took its worker for lost.",
        "orchestrator/tasks/claim.py",
        "if older.has_progress or (older.slice > 0 and throttled is None):",
        "if older.has_progress and throttled is not None:",
        35,
    ),
    Regression(
        "short-slice-of-a-lone-lane",
        "Where all messages have one lane, first slices were cut short, and handed over to it again.",
        "orchestrator/settings.py",
        "if is_continuation or not self.sync_queue_backfill:",
        "if is_continuation:",
        13,
    ),
    Regression(
        "history-in-a-first-slice",
        "A page of history that takes longer than a first slice was begun at each turn, and never read.",
        "orchestrator/sync/streams.py",
        "if not task.is_short or",
        "if True or",
        5,
    ),
)


def failing(regression: Regression, first: int, count: int) -> tuple[int, str] | None:
    """The first of the seeds that violates something without the guard, and what it violates."""
    with copy_without(regression.path, regression.line, regression.without) as copy:
        arguments = ["-m", "tests.system.simulation", str(first), "--count", str(count)]
        run = run_in(copy, arguments, timeout_s=_HOUR_S)
    found = re.search(r"^seed (\d+): (.*)$", run.stdout, re.MULTILINE)
    if found is None and run.returncode != 0:
        raise SystemExit(f"{regression.name} was not played without its guard:\n{run.stdout}{run.stderr}")
    return (int(found[1]), found[2]) if found is not None else None
