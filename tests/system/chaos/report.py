"""What a chaos comes to: the file it leaves, and what it prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from local.google.topics import BACKFILL_LANE
from orchestrator.cli.output import safe, table
from tests.system.chaos.verdict import Evidence, Verdict

#: So many findings of a kind are printed; the file holds all.
_SHOWN = 20


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`chaos.json`; `docs/reliability.md` says what each number counts."""

    seed: int
    seconds: float
    ticks: int
    tick_deliveries: int
    runs: dict[str, int]
    deliveries: int
    redeliveries: int
    duplicated: int
    dropped_answers: int
    #: Messages that the workers of the lane of continuations took, and tasks of more than one slice.
    continuations: int
    continued_tasks: int
    kills: int
    #: Of those, workers of the lane of continuations.
    backfill_kills: int
    stops: int
    terms: int
    faults: int
    changes: int
    operator_actions: int
    records: int
    document_writes: int
    marketplace_calls: int
    worker_peak_mib: float
    #: Seconds from the end of the harm until everything had come to rest.
    settled_s: float
    lost: int
    doubled: int
    stuck: int
    astray: int
    found: dict[str, list[str]]


def report_of(
    seed: int,
    seconds: float,
    settled_s: float,
    counts: Counter[str],
    peak_bytes: int,
    evidence: Evidence,
    verdict: Verdict,
) -> Report:
    """Put it together."""
    shards = [shard for record in evidence.runs for shard in record.shards.values()]
    numbers = {name: counts[name] for name in _COUNTED}
    return Report(
        **numbers,
        seed=seed,
        seconds=round(seconds, 1),
        settled_s=round(settled_s, 1),
        ticks=len(evidence.ticks),
        runs=dict(sorted(Counter(record.run.status.value for record in evidence.runs).items())),
        continuations=sum(each.taken for each in evidence.traffic if each.topic == BACKFILL_LANE.topic),
        continued_tasks=sum(task.slices > 1 for record in evidence.runs for task in record.tasks),
        records=sum(len(truth) for account in evidence.accounts for truth in account.truth.values()),
        document_writes=sum(shard.cost.document_writes for shard in shards),
        marketplace_calls=sum(shard.cost.marketplace_calls for shard in shards),
        worker_peak_mib=round(peak_bytes / 2**20, 1),
        lost=len(verdict.lost),
        doubled=len(verdict.doubled),
        stuck=len(verdict.stuck),
        astray=len(verdict.astray),
        found={name: getattr(verdict, name) for name in ("lost", "doubled", "stuck", "astray")},
    )


_COUNTED = (
    "tick_deliveries",
    "deliveries",
    "redeliveries",
    "duplicated",
    "dropped_answers",
    "kills",
    "backfill_kills",
    "stops",
    "terms",
    "faults",
    "changes",
    "operator_actions",
)


def keep(path: Path, report: Report) -> None:
    """Write the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def print_report(screen: Console, report: Report) -> None:
    """Print the numbers, what was found, and how to repeat it."""
    runs = ", ".join(f"{count} {status}" for status, count in report.runs.items())
    rows: list[Sequence[object]] = [
        ("harm", f"{report.kills} kills, {report.terms} told to end, {report.stops} stopped for a while"),
        ("ticks", f"{report.ticks}, accepted {report.tick_deliveries} times"),
        ("runs", runs),
        ("deliveries", f"{report.deliveries:,}, of which {report.redeliveries:,} were redeliveries"),
        ("continuations", f"{report.continuations:,}; {report.continued_tasks:,} tasks of several slices"),
        ("their workers", f"{report.backfill_kills} of the kills"),
        ("tricks", f"{report.duplicated} handed out twice, {report.dropped_answers} good answers dropped"),
        ("marketplaces", f"{report.faults} faults, {report.changes:,} changes"),
        ("people", f"{report.operator_actions} cancelled, retried, started, paused or resumed"),
        ("work", f"{report.document_writes:,} documents written, {report.marketplace_calls:,} calls"),
        ("records", f"{report.records:,} at the marketplaces"),
        ("memory", f"at most {report.worker_peak_mib} MiB in a worker"),
        ("rest", f"{report.settled_s} s after the last harm"),
        ("lost", report.lost),
        ("doubled", report.doubled),
        ("stuck", report.stuck),
        ("astray", report.astray),
    ]
    screen.print(table(f"chaos of {report.seconds:.0f} s, seed {report.seed}", ("what", "how much"), rows))
    for kind, found in report.found.items():
        for sentence in found[:_SHOWN]:
            screen.print(safe(f"{kind}: {sentence}"), style="red")
        if len(found) > _SHOWN:
            screen.print(f"{kind}: {len(found) - _SHOWN} more are in the file")
    screen.print(f"The same schedule again: make chaos SEED={report.seed} SECONDS={report.seconds:.0f}")
