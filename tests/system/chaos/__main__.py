"""`python -m tests.system.chaos`: break everything for a while, then report lost, doubled or stuck work."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # processes are started while grpc's threads run

from rich.console import Console

from local.folder import Folder
from local.google.emulators import EmulatorsMissing
from local.processes import ROOT, StackFailed
from orchestrator.cli.output import console
from orchestrator.ports import Filter
from orchestrator.runs.heal import OPEN
from tests.system.chaos import evidence, plan
from tests.system.chaos.report import Report, keep, print_report, report_of
from tests.system.chaos.sellers import SELLERS
from tests.system.chaos.site import REST_S, Size, running
from tests.system.chaos.storm import Storm
from tests.system.chaos.verdict import judge, unrest

#: A minute of chaos has this much to do, for each account.
_ORDERS, _PRODUCTS = 150, 16
#: Seconds that everything may take to come to rest; a machine that is shared may be slow.
_PATIENCE_S = 900.0
#: Seconds between two ticks while everything comes to rest.
_ROUND_S = 8.0
_LOOK_S = 1.0
_INTERRUPTED = 130
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if nothing was lost, doubled or stuck, and each lane carried its own messages."""
    options = _parser().parse_args(arguments)
    for number in _ENDING:
        signal.signal(number, _stop)
    screen, directory = console(), options.directory.resolve()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    screen.print(f"Chaos of {options.seconds:.0f} s, seed {seed} (logs in {directory}/chaos/logs/)")
    try:
        report = play(Folder(directory / "chaos"), seed, options.seconds, screen)
    except (EmulatorsMissing, StackFailed) as error:
        console(to_stderr=True).print(f"error: {error}", style="red")
        return 1
    except KeyboardInterrupt:
        console(to_stderr=True).print(f"stopped; the seed was {seed}")
        return _INTERRUPTED
    keep(directory / "chaos.json", report)
    print_report(screen, report)
    screen.print(f"Kept in {directory}/chaos.json")
    return 1 if report.lost or report.doubled or report.stuck or report.astray else 0


def play(folder: Folder, seed: int, seconds: float, screen: Console) -> Report:
    """One chaos from start to verdict."""
    minutes = max(1, round(seconds / 60))
    size = Size(orders=_ORDERS * minutes, products=_PRODUCTS * minutes)
    with running(folder, seed, size) as site, evidence.Watch(site.services.store) as watch:
        storm = Storm(site)
        storm.rage(plan.plan(seed, seconds), seconds)
        harmed_until = time.monotonic()
        calm_at = storm.end()
        _come_to_rest(storm, calm_at, screen)
        settled_s = time.monotonic() - harmed_until
        found = evidence.gather(site, storm.accepted(), watch, calm_at)
        verdict = judge(found)
        if settled_s > REST_S:
            verdict.stuck.append(f"not at rest within {REST_S:.0f} s: it took {settled_s:.0f} s")
        counts = sum((each.counts for each in site.pushers), storm.counts + site.fleet.counts)
        return report_of(seed, seconds, settled_s, Counter(counts), site.fleet.peak, found, verdict)


def _come_to_rest(storm: Storm, calm_at: datetime, screen: Console) -> None:
    """Ticks, as they would come anyway, until nothing is left to do or patience is at its end."""
    begun = time.monotonic()
    left: list[str] = []
    while time.monotonic() - begun < _PATIENCE_S:
        storm.tick(((0.0, 0),))
        # What rests after a long listing is read all the same where a person asks for it.
        storm.trigger([sample.id for sample in SELLERS], full=False)
        ticked_at = time.monotonic()
        while time.monotonic() - ticked_at < _ROUND_S:
            storm.attend(_LOOK_S)
            left = list(_unrest(storm, calm_at))
            if not left:
                return
        screen.print(f"{time.monotonic() - begun:.0f} s later: {left[0]}; {len(left) - 1} more", style="dim")


def _unrest(storm: Storm, calm_at: datetime) -> Iterator[str]:
    """What is still under way, open or behind."""
    store = storm.site.services.store
    for sample, state in zip(SELLERS, evidence.read_states(store), strict=True):
        yield from unrest(sample.id, sample.marketplace, state, calm_at)
    if open_runs := store.count("runs", [Filter("status", "in", list(OPEN))]):
        yield f"{open_runs} runs are open"
    if not all(calls.is_idle for calls in (storm.calls, *(each.calls for each in storm.site.pushers))):
        yield "messages or requests are under way"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.system.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long things go wrong; default: 300")
    parser.add_argument("--seed", type=int, help="chooses the schedule; default: a new one")
    parser.add_argument("--directory", type=Path, default=ROOT / ".local", help="default: .local")
    return parser


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """End once: what is impatiently repeated must not interrupt the ending of the processes."""
    del number, frame
    for ignored in _ENDING:
        signal.signal(ignored, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
