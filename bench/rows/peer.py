"""The peer: the same WooCommerce orders loaded by the product and by dlt, an open-source loader, in one run.

Both read the same sandbox's orders, which another process repeats from memory (`bench/ready.py`), each in a
process of its own and in turns. Wall and CPU time are those of the load after all imports; the peak of memory
is that of the whole process. The product writes records into a new embedded store; dlt writes the rows as
they come, normalized into tables of a new DuckDB file, with its defaults.

dlt is no requirement of the project: the row makes an environment for it with uv. Without a package index it
is left out, with a line that says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.figures import Figure
from bench.site import PeerMissing, Site
from local.processes import ROOT

#: What is compared with; a newer release changes the figures.
PEER = "dlt[duckdb]==1.31.0"
_TIMEOUT_S = 900.0
_INSTALL_S = 180.0
_MIB = 1024
#: The two lists need not agree on orders in the trash and such.
_MOST_ALIKE = 0.95


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a process tells of its load."""

    orders: int
    wall_s: float
    cpu_s: float
    peak_kib: int


def measure(site: Site) -> list[Figure]:
    """One figure for CPU time, one for wall time and one for memory; the peer's are the values.

    Raises:
        PeerMissing: It cannot be installed here.
    """
    orders = site.amount(10_000, 150)
    peer = environment(site.folder / "peer")
    url = site.ready("woocommerce", orders=orders, products=site.amount(200, 20))
    mine, theirs = [], []
    for _ in range(site.amount(3, 0) + 1):
        mine.append(_product(site, url))
        theirs.append(_peer(site, peer, url))
    # The first round fills the server's memory and does not count, unless it is the only one.
    mine, theirs = mine[1:] or mine, theirs[1:] or theirs
    loaded = {"the product": mine[0].orders, "dlt": theirs[0].orders}
    if min(loaded.values()) < _MOST_ALIKE * orders:
        raise RuntimeError(f"the loads differ: {loaded} of {orders}")
    middle = len(mine) // 2
    figures = []
    for name, unit, factor, at_least in (
        ("CPU", "s", 1.0, 30.0),
        ("wall", "s", 1.0, 10.0),
        ("memory", "MiB", 1 / _MIB, 50.0),
    ):
        field = {"CPU": "cpu_s", "wall": "wall_s", "memory": "peak_kib"}[name]
        value, floor = (sorted(getattr(each, field) for each in loads)[middle] for loads in (theirs, mine))
        figures.append(
            Figure(
                name=f"dlt, {name} of {orders:,} orders",
                value=value * factor,
                floor=floor * factor,
                unit=unit,
                at_least=at_least,
                note="dlt: " + ", ".join(f"{name} stored {count:,} orders" for name, count in loaded.items()),
            )
        )
    return figures


def environment(folder: Path) -> Path:
    """Make the peer's environment; returns its interpreter.

    Raises:
        PeerMissing: uv is missing, or the packages cannot be had.
    """
    uv = shutil.which(
        "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    )
    if uv is None:
        raise PeerMissing("uv, which installs dlt, is missing")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(python), PEER],
    ):
        try:
            subprocess.run([uv, *command], capture_output=True, text=True, timeout=_INSTALL_S, check=True)
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().splitlines()[:1]
            raise PeerMissing(f"dlt cannot be installed here: {''.join(reason)}") from None
        except subprocess.TimeoutExpired:
            raise PeerMissing(f"dlt was not installed within {_INSTALL_S:.0f} s") from None
    return python


def _product(site: Site, url: str) -> Load:
    return _told([sys.executable, "-m", "bench.peer.product_load", url, str(site.file())], {})


def _peer(site: Site, python: Path, url: str) -> Load:
    folder = site.file()
    folder.mkdir()
    variables = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR", "HOME": str(folder)}
    return _told(
        [str(python), "-P", str(ROOT / "bench" / "peer" / "dlt_load.py"), url, str(folder)], variables
    )


def _told(command: list[str], variables: dict[str, str]) -> Load:
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return msgspec.json.decode(ran.stdout.splitlines()[-1], type=Load)
