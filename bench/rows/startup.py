"""Start-up: import of `main` ÷ import of functions-framework and the Firestore client alone.

A fresh interpreter makes and times each import, the two in turn. `main` is imported as the server imports it
for `sync_api`: with the settings of a production function, which it checks. The note gives the further
imports of a first request; they are made later, so that a refused caller does not cost them.
"""

from __future__ import annotations

import os
import subprocess
import sys

from bench.figures import Figure, in_turn, spread
from bench.site import Site
from local.processes import ROOT
from orchestrator.settings_table import SETTINGS

_MAIN = "import main"
_FLOOR = "import functions_framework, google.cloud.firestore"
_FIRST_REQUEST = (
    "import main, orchestrator.wiring, orchestrator.adapters.google.firestore, "
    "orchestrator.adapters.google.pubsub, orchestrator.adapters.secrets, cryptography.x509"
)
_PROGRAM = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
_SETTINGS = {
    "FUNCTION_TARGET": "sync_api",
    "GOOGLE_CLOUD_PROJECT": "bench",
    "SYNC_QUEUE": "pubsub:sync-tasks",
    "SCHEDULER_AUDIENCE": "https://sync.example.com",
    "SCHEDULER_SERVICE_ACCOUNT": "scheduler@bench.iam.gserviceaccount.com",
    "SCHEDULER_SECRET": "projects/bench/secrets/scheduler/versions/latest",
}
_TIMEOUT_S = 60.0


def measure(site: Site) -> list[Figure]:
    """The figure."""
    product, floor, first = in_turn(
        site.amount(21, 0),
        lambda: _seconds(_MAIN),
        lambda: _seconds(_FLOOR),
        lambda: _seconds(_FIRST_REQUEST),
    )
    return [
        Figure(
            name="start-up",
            value=1000 * product.median,
            floor=1000 * floor.median,
            unit="ms",
            at_most=1.15,
            note=f"Start-up: {spread(product, floor)}; {first.median / floor.median:.2f} with all that "
            "the first accepted request imports",
        )
    ]


def _seconds(imports: str) -> float:
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(imports)],
        cwd=ROOT,
        env={**inherited, **_SETTINGS},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return float(ran.stdout)
