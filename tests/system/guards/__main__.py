"""Guards: each is removed from a copy of the project, and its test has to fail.

`python -m tests.system.guards` tries all of them and prints the table; `--write` writes the table into
README.md beside this file. Words narrow it to the guards whose description contains one of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.system.guards.change_guards import CHANGE_GUARDS
from tests.system.guards.channel_guards import CHANNEL_GUARDS
from tests.system.guards.cli_guards import CLI_GUARDS
from tests.system.guards.copies import copy_without, run_in
from tests.system.guards.deploy_guards import DEPLOY_GUARDS
from tests.system.guards.detail_guards import DETAIL_GUARDS
from tests.system.guards.edge_guards import EDGE_GUARDS
from tests.system.guards.freshness_guards import FRESHNESS_GUARDS
from tests.system.guards.guard import Guard
from tests.system.guards.local_guards import LOCAL_GUARDS
from tests.system.guards.log_guards import LOG_GUARDS
from tests.system.guards.look_guards import LOOK_GUARDS
from tests.system.guards.memory_guards import MEMORY_GUARDS
from tests.system.guards.migration_guards import MIGRATION_GUARDS
from tests.system.guards.operator_guards import OPERATOR_GUARDS
from tests.system.guards.pace_guards import PACE_GUARDS
from tests.system.guards.page_guards import PAGE_GUARDS
from tests.system.guards.protocol import PROTOCOL
from tests.system.guards.quiet_guards import QUIET_GUARDS
from tests.system.guards.record_guards import RECORD_GUARDS
from tests.system.guards.run_guards import RUN_GUARDS
from tests.system.guards.seller_guards import SELLER_GUARDS
from tests.system.guards.shopify_guards import SHOPIFY_GUARDS
from tests.system.guards.vault_guards import VAULT_GUARDS
from tests.system.guards.woocommerce_guards import WOOCOMMERCE_GUARDS

GUARDS = (
    *RECORD_GUARDS,
    *SHOPIFY_GUARDS,
    *WOOCOMMERCE_GUARDS,
    *DETAIL_GUARDS,
    *MIGRATION_GUARDS,
    *RUN_GUARDS,
    *MEMORY_GUARDS,
    *PACE_GUARDS,
    *FRESHNESS_GUARDS,
    *CHANGE_GUARDS,
    *LOCAL_GUARDS,
    *EDGE_GUARDS,
    *LOG_GUARDS,
    *CHANNEL_GUARDS,
    *DEPLOY_GUARDS,
    *CLI_GUARDS,
    *OPERATOR_GUARDS,
    *SELLER_GUARDS,
    *VAULT_GUARDS,
    *PAGE_GUARDS,
    *PROTOCOL,
    *LOOK_GUARDS,
    *QUIET_GUARDS,
)
DOCUMENT = Path(__file__).with_name("README.md")
HEAD = "| promise | guard | test that fails without it | its output |\n| --- | --- | --- | --- |\n"
_PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly")
_TIMEOUT_S = 300


def broken(guard: Guard) -> str | None:
    """The test's output without the guard; None if it passes all the same."""
    with copy_without(guard.path, guard.line, guard.without) as copy:
        run = run_in(copy, [*_PYTEST, guard.test], timeout_s=_TIMEOUT_S)
    if run.returncode == 0:
        return None
    if run.returncode != 1:
        printed = (run.stdout + run.stderr)[-2000:]
        raise SystemExit(f"{guard.test} did not run without the guard ({guard.keeps}):\n{printed}")
    lines = re.findall(r"^E   +(.+)$", run.stdout, re.MULTILINE)
    return lines[0][:160] if lines else "failed"


def row(guard: Guard) -> str:
    """A guard's line of the table, up to what its test printed."""
    line = guard.line.strip().splitlines()[0].replace("|", "\\|")
    return f"| {guard.keeps} | `{guard.path}`: `{line}` | `{guard.test}` | "


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 if a guard can be removed and no test notices."""
    words = [word for word in arguments if word != "--write"]
    guards = [guard for guard in GUARDS if not words or any(word in guard.keeps for word in words)]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(broken, guards))
    table = HEAD
    for guard, printed in zip(guards, outcomes, strict=True):
        said = (printed or "**nothing: it passed**").replace("|", "\\|")
        table += f"{row(guard)}{said} |\n"
    sys.stdout.write(table)
    unnoticed = sum(printed is None for printed in outcomes)
    sys.stderr.write(f"{len(guards)} guards removed, {len(guards) - unnoticed} noticed\n")
    if "--write" in arguments and not words and not unnoticed:
        DOCUMENT.write_text(f"{DOCUMENT.read_text().partition(HEAD)[0]}{table}")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
