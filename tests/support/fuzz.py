"""Explore: property tests and simulated histories that nobody has seen yet, for a given time.

`python -m tests.support.fuzz --seconds 300` chooses a seed and prints it; `--seed` repeats an exploration. It
ends with 1 at the first failure, and prints the command that repeats it.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import threading
import time

from tests.support.project import ROOT
from tests.system.simulation.history import Violation, play

SECONDS = 300.0
_SEEDS = 2**31


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class PropertyTests(threading.Thread):
    """Rounds of all property tests in a process of their own, each round with the next seed."""

    def __init__(self, seed: int, ends_at: float) -> None:
        super().__init__()
        self._seed, self._ends_at = seed, ends_at
        self.rounds = 0
        #: The output of the round that failed.
        self.failed = ""
        self.repeat = ""

    def run(self) -> None:
        """Play rounds until the time is over or a test fails."""
        while not self.failed and (left_s := self._ends_at - time.monotonic()) > 0:
            seed = (self._seed + self.rounds) % _SEEDS
            options = ["--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}", f"--randomly-seed={seed}"]
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "-m",
                "hypothesis and not emulator",
                *options,
            ]
            try:
                # A round that the time cuts short has found nothing: it would have ended at a failure.
                done = subprocess.run(
                    command,
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    timeout=left_s,
                    check=False,
                    env=_quiet(),
                )
            except subprocess.TimeoutExpired:
                return
            self.rounds += 1
            if done.returncode:
                self.failed = done.stdout + done.stderr
                self.repeat = f"python -m pytest -x -m 'hypothesis and not emulator' {' '.join(options)}"


def _quiet() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def main() -> int:
    """Explore; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"default: {SECONDS:g}")
    parser.add_argument("--seed", type=int, help="repeats an exploration; default: any")
    options = parser.parse_args()
    seed = secrets.randbelow(_SEEDS) if options.seed is None else options.seed
    say(f"SEED={seed}")
    ends_at = time.monotonic() + options.seconds
    properties = PropertyTests(seed, ends_at)
    properties.start()
    history = seed
    while time.monotonic() < ends_at and not properties.failed:
        try:
            play(history)
        except Violation as violation:
            say(
                f"history {history}: {violation}\nrepeat: python -m tests.system.simulation {history} --trace"
            )
            return _end(properties, history - seed, found=True)
        history += 1
    return _end(properties, history - seed, found=False)


def _end(properties: PropertyTests, histories: int, *, found: bool) -> int:
    properties.join()
    if properties.failed:
        say(f"{properties.failed}\nrepeat: {properties.repeat}")
    say(f"{histories} histories, {properties.rounds} whole rounds of the property tests")
    return 1 if found or properties.failed else 0


if __name__ == "__main__":
    sys.exit(main())
