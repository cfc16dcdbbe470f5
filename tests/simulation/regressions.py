"""Defects that simulated histories found, or would have: each by name, with a history that shows it.

A seed is the first one found by `python -m tests.simulation --find NAME`, which takes the guard away; seeds
depend on how histories are made, so whoever changes that finds them anew (`--check` says which).
"""

from __future__ import annotations

from dataclasses import dataclass


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
        "lost-holder-releases",
        "A holder that had lost its connection, and then our own store, released its successor's lease.",
        "orchestrator/holding.py",
        "if self._is_lost or self.state.open is None",
        "if self.state.open is None",
        0,
    ),
    Regression(
        "since-goes-back",
        "A window ended before the last one did, where another instance's clock was behind.",
        "orchestrator/windows.py",
        "max(cursor.since, window.until)",
        "window.until",
        0,
    ),
    Regression(
        "seen-of-another-digest",
        "What a snapshot had seen was stored as bits of entries that were not yet stored.",
        "orchestrator/sync.py",
        "seen=self._loaded().seen_bits(), blind",
        "seen=window.seen, blind",
        0,
    ),
    Regression(
        "changed-during-a-reconcile",
        "A record that changed while a stream was listed in full left the window, and was marked deleted.",
        "orchestrator/sync.py",
        "vanished = sorted(absorber.suspects)",
        "vanished = sorted(missing)",
        0,
    ),
    Regression(
        "count-changes-during-a-listing",
        "A row slipped past between two pages while another was removed, and was marked deleted.",
        "orchestrator/sync.py",
        "absorber.blind = absorber.blind or self._total not in {None, page.total}",
        "absorber.blind = absorber.blind",
        0,
    ),
    Regression(
        "refused-without-a-name",
        "A record that the store refuses was kept as a reject under a hash, and the reject stayed for ever.",
        "orchestrator/absorbing.py",
        'reason, record.get("id"))',
        "reason, None)",
        0,
    ),
    Regression(
        "refusal-forgets-the-scan",
        "A record that the store refuses made a listing forget what it had shown, and nobody was missed.",
        "orchestrator/sync.py",
        "            self._loaded().see(key)\n",
        "            self._absorber.blind = True\n",
        0,
    ),
    Regression(
        "idle-listing-rests",
        "A listing that an outage had broken off counted as one that took as long, and rested for a day.",
        "orchestrator/sync.py",
        "windows.rest(self._stream, self._took(), now)",
        "windows.rest(self._stream, now - window.until, now)",
        0,
    ),
    Regression(
        "added-on-top-of-a-removal",
        "A removal broken off had deleted what the state held for stored: added again, records stayed lost.",
        "orchestrator/connections.py",
        "    if left is not None:",
        "    if False and left is not None:",
        0,
    ),
    Regression(
        "long-span-held-up",
        "A nightly listing that an outage held up counted as new, and what changed meanwhile waited a day.",
        "orchestrator/windows.py",
        "window.until + terms.stream.age + took",
        "window.until + timedelta(days=1)",
        0,
    ),
    Regression(
        "reject-of-a-change-back",
        "A record became a reject and then as it was stored: nothing was new, and the reject stayed.",
        "orchestrator/absorbing.py",
        "entries.append((stored, _SUPERSEDED, digest.day(stored)))",
        "pass",
        0,
    ),
    Regression(
        "reject-is-forgotten",
        "A reject that was not listed for a while was forgotten by the digest, and stayed for ever.",
        "orchestrator/digests.py",
        "oldest_day <= day < KEPT_DAY]",
        "oldest_day <= day]",
        0,
    ),
    Regression(
        "task-recorded-after-its-time",
        "The record of a task closed after a long outage could go at once: it was closed and counted again.",
        "orchestrator/closing.py",
        "return now + timedelta(days=services.settings.retention_days)",
        "return now",
        0,
    ),
    Regression(
        "others-are-no-sign-of-life",
        "A person's request was taken for a dead holder's sign of life, and nobody went on with its task.",
        "orchestrator/claiming.py",
        "if state.lease != lease:",
        "if state != _state(read.state):",
        0,
    ),
    Regression(
        "watched-to-the-end",
        "Whoever watched the last holder finish acknowledged without a look at whether the run was closed.",
        "orchestrator/claiming.py",
        "return is_held and state.lease.owner is not None",
        "return is_held or opened is None",
        0,
    ),
    Regression(
        "handed-over-to-nobody",
        "A holder handed over and died before it published; whoever watched it acknowledged all the same.",
        "orchestrator/claiming.py",
        "return is_held and state.lease.owner is not None",
        "return is_held",
        0,
    ),
    Regression(
        "late-sweep",
        "A sweep days late found no record of a task, whose time was over, and closed and counted it again.",
        "orchestrator/closing.py",
        "    if run.status.is_final:\n        return  # a task",
        "    if False:\n        return  # a task",
        0,
    ),
    Regression(
        "late-heal",
        "A heal message days late found no record of its task, whose time was over, and closed it again.",
        "orchestrator/claim.py",
        "if message.heal and (opened is None or opened.run_id != message.run_id):",
        "if False:",
        0,
    ),
)
