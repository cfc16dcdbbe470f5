"""The README's commands, and the table of settings that is generated from the code.

`python -m tests.delivery.docs.readme` writes `docs/settings.md`, and `make docs` all generated parts.
"""

from __future__ import annotations

import re

from local.processes import ROOT
from orchestrator.settings_table import TABLE

README = ROOT / "README.md"
SETTINGS = ROOT / "docs" / "settings.md"


def settings_table() -> str:
    """Every setting as a row."""
    rows = [
        f"| `{row.name}` | {row.takes} | {f'`{row.default}`' if row.default else ''} | {row.needed_by} |"
        for row in TABLE
    ]
    return "\n".join(["| variable | takes | default | read by |", "| --- | --- | --- | --- |", *rows])


def with_settings_table(text: str) -> str:
    """The page with the table of the code."""
    return re.sub(
        r"(<!-- settings -->\n).*?(<!-- /settings -->)",
        lambda match: f"{match[1]}{settings_table()}\n{match[2]}",
        text,
        flags=re.DOTALL,
    )


def block(marker: str) -> list[str]:
    """The commands of the code block behind a marker, without comments."""
    match = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)```", README.read_text(), flags=re.DOTALL)
    if match is None:
        raise LookupError(marker)
    return [line for line in match[1].splitlines() if line and not line.startswith("#")]


def write() -> None:
    """Write the table of settings anew."""
    SETTINGS.write_text(with_settings_table(SETTINGS.read_text()))


if __name__ == "__main__":
    write()
