"""`python -m bench`: measure, print the table, keep the figures in `docs/benchmarks.json`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.table import Table
from rich.text import Text

from bench.figures import Figure, keep
from bench.rows import ROWS
from bench.site import NO_GRACE_S, RELEASE_0_1, PeerMissing, Site, SourceMissing
from local.google.emulators import EmulatorsMissing
from local.processes import ROOT, Processes
from orchestrator.cli.output import console

KEPT = ROOT / "docs" / "benchmarks.json"


def main(arguments: list[str] | None = None) -> int:
    """Measure the named rows; returns 0 if each of them gave its figures, met or not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("--rows", type=_rows, default=list(ROWS), help=f"some of {','.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="show only that every row works; keeps nothing")
    parser.add_argument(
        "--before", default=RELEASE_0_1, help="the release to compare records with: a commit, or a folder"
    )
    parser.add_argument("--output", type=Path, help="keep the figures here; without --quick in docs/")
    options = parser.parse_args(arguments)
    output = options.output or (None if options.quick else KEPT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every started process is ended
    screen = console()
    figures: list[Figure] = []
    left_out = 0
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Processes(Path(folder) / "logs", grace_s=NO_GRACE_S) as processes,
    ):
        site = Site(Path(folder), processes, options.quick, options.before)
        for name in options.rows:
            started = time.monotonic()
            try:
                measured = ROWS[name](site)
            except (EmulatorsMissing, SourceMissing) as error:
                screen.print(f"{name}: left out, because {error}", style="yellow")
                left_out += 1
                continue
            except PeerMissing as error:
                screen.print(f"{name}: left out, because {error}", style="yellow")
                continue  # without a network, all other rows count
            figures += measured
            if output is not None:
                keep(output, measured)  # now, because a later row may be interrupted
            screen.print(f"{name}: measured in {time.monotonic() - started:.0f} s", style="dim")
    screen.print(table(figures))
    for note in dict.fromkeys(figure.note for figure in figures if figure.note):
        screen.print(note)
    if output is not None:
        screen.print(f"Kept in {output}")
    return 1 if left_out else 0


def table(figures: list[Figure]) -> Table:
    """The table of figures, for people."""
    shown = Table()
    for title in ("what", "value", "floor", "unit", "ratio", "reach", "met"):
        numeric = title in {"value", "floor", "ratio", "reach"}
        shown.add_column(title, justify="right" if numeric else "left", no_wrap=True)
    for figure in figures:
        shown.add_row(
            figure.name,
            _number(figure.value),
            _number(figure.floor),
            figure.unit,
            f"{figure.ratio:g}",
            figure.reach,
            Text("yes", "green") if figure.met else Text("no", "red"),
        )
    return shown


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"


def _rows(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
