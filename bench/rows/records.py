"""The records: the cost of their fields, compared with release 0.1 or with `--before`.

Both releases sync the sandboxes of their own source with the same numbers of orders and products, in
processes that take turns (`bench/record_probe.py`). CPU time is that of the normalizers alone: raw row,
record, hash, document; the median round counts. Documents are weighed as Firestore counts them, in the
mean of their kind. The bounds are budgets: a richer record may cost this much more than one of 0.1, and no
record may take another document.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.figures import Figure, Measured, in_turn, spread
from bench.record_probe import Probe
from bench.site import Site, SourceMissing
from local.processes import ROOT

_PROBE = ROOT / "bench" / "record_probe.py"
_MOST_CPU, _MOST_BYTES, _MOST_DOCUMENTS = 6, 4, 1
_WAIT_S = 900

Probes = dict[str, Probe]


def measure(site: Site) -> list[Figure]:
    """For each marketplace one figure of CPU time, one of documents, and one for each kind of document.

    Raises:
        SourceMissing: The earlier release cannot be had.
    """
    earlier = _source(site)
    orders, products = site.amount(2000, 100), site.amount(200, 20)
    taken: dict[Path, list[Probes]] = {ROOT: [], earlier: []}

    def measuring(source: Path) -> float:
        taken[source].append(_probes(source, orders, products))
        return 0.0

    in_turn(site.amount(5, 0), lambda: measuring(ROOT), lambda: measuring(earlier))
    # The first round warmed up, unless it is the only one.
    after, before = (taken[source][1:] or taken[source] for source in (ROOT, earlier))
    return [figure for name in after[0] if name in before[0] for figure in _figures(name, after, before)]


def _figures(name: str, after: list[Probes], before: list[Probes]) -> list[Figure]:
    now, then = after[0][name], before[0][name]
    value = Measured([each[name].order_us for each in after])
    floor = Measured([each[name].order_us for each in before])
    cpu = Figure(
        name=f"{name}, an order's CPU time",
        value=value.median,
        floor=floor.median,
        unit="µs",
        at_most=_MOST_CPU,
        note=f"{name}, an order's CPU time: {spread(value, floor)}",
    )
    documents = Figure(
        name=f"{name}, documents",
        value=sum(now.documents.values()),
        floor=sum(then.documents.values()),
        unit="documents",
        at_most=_MOST_DOCUMENTS,
    )
    sizes = [
        Figure(name=f"{name}, {kind}", value=size, floor=then.sizes[kind], unit="bytes", at_most=_MOST_BYTES)
        for kind, size in now.sizes.items()
        if kind in then.sizes
    ]
    return [cpu, documents, *sizes]


def _probes(source: Path, orders: int, products: int) -> Probes:
    """The costs of all marketplaces of a release; its root is the process' own folder."""
    command = [sys.executable, "-P", str(_PROBE), f"--orders={orders}", f"--products={products}"]
    ended = subprocess.run(
        command,
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        timeout=_WAIT_S,
        check=False,
    )
    if ended.returncode != 0:
        raise RuntimeError(f"the records of {source} cannot be measured: {ended.stderr.decode()[-2000:]}")
    return msgspec.json.decode(ended.stdout, type=Probes)


def _source(site: Site) -> Path:
    """The folder of the earlier release, unpacked from the history if it is named by a commit."""
    if Path(site.before, "orchestrator").is_dir():
        return Path(site.before).resolve()
    folder = site.file()
    folder.mkdir()
    archive = folder / "source.tar"
    # Both programs take a list of words, and no shell reads them.
    packed = ["git", "-C", str(ROOT), "archive", f"--output={archive}", site.before]
    for command in (packed, ["tar", "-xf", str(archive), "-C", str(folder)]):
        try:
            subprocess.run(command, capture_output=True, timeout=_WAIT_S, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SourceMissing(f"{site.before} is no commit of this checkout, and no folder") from error
    archive.unlink()
    return folder
