"""`python -m tests.system.simulation SEED`: replay a history; `--trace` prints its events."""

from __future__ import annotations

import argparse
import sys

from tests.system.simulation.history import Violation, play
from tests.system.simulation.regressions import REGRESSIONS, failing

#: How many histories are tried to show a defect.
MOST = 1500


def say(line: str) -> None:
    """Print it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def replay(seed: int, *, trace: bool = False) -> int:
    """Play one history; 1, and a line that says why, where something is violated."""
    try:
        play(seed, trace=say if trace else None)
    except Violation as violation:
        say(f"seed {seed}: {violation}")
        return 1
    return 0


def find(name: str, first: int) -> int:
    """Print the first seed that shows a defect; 1 where none of many does."""
    (regression,) = [regression for regression in REGRESSIONS if regression.name == name]
    found = failing(regression, first, MOST)
    if found is None:
        say(f"{name}: {MOST} histories do not show it")
        return 1
    say(f"{name}: seed {found[0]}: {found[1][:200]}")
    return replay(found[0])  # it has to be the guard that makes the difference


def check() -> int:
    """Print whether each regression's own seed shows it; 1 where one does not any more."""
    outcomes = [failing(regression, regression.seed, 1) for regression in REGRESSIONS]
    for regression, found in zip(REGRESSIONS, outcomes, strict=True):
        say(f"{regression.name}: {found[1][:160] if found else 'NOT SHOWN by its seed any more'}")
    return 0 if all(outcomes) else 1


def main() -> int:
    """Play seeds; 1 where something that must hold does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=0, help="the history, or the first of several")
    parser.add_argument(
        "--count", type=int, default=1, help="so many seeds from there on; stops at a failure"
    )
    parser.add_argument("--trace", action="store_true", help="print who did what when")
    parser.add_argument(
        "--find", metavar="NAME", help="find a seed that shows a regression without its guard"
    )
    parser.add_argument(
        "--check", action="store_true", help="see every regression's seed fail without its guard"
    )
    options = parser.parse_args()
    if options.check:
        return check()
    if options.find:
        return find(options.find, options.seed)
    seeds = range(options.seed, options.seed + options.count)
    if any(replay(seed, trace=options.trace) for seed in seeds):
        return 1
    say(f"{options.count} histories from seed {options.seed} on: nothing is violated")
    return 0


if __name__ == "__main__":
    sys.exit(main())
