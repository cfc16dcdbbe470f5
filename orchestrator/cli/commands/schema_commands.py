"""`marketplace-sync schema`: the form of the records' documents."""

from __future__ import annotations

from pathlib import Path

import msgspec

from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.record_schema import schemas
from orchestrator.errors import RequestError


def add_parser(groups: Commands) -> None:
    """Describe the command."""
    one = command(
        groups,
        "schema",
        lambda _, options: write(options.folder),
        "write the JSON Schema of the records' documents",
        "marketplace-sync schema docs/schema",
    )
    one.add_argument("folder", type=Path, metavar="DIR", help="the folder for the files")
    one.set_defaults(needs_services=False)


def write(folder: Path) -> Answer:
    """Write one file for each kind of record.

    Raises:
        RequestError: The folder cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas().items():
            path = folder / name
            path.write_bytes(msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n")
            written.append(str(path))
    except OSError as error:
        raise RequestError(
            f"{folder} cannot be written: {error.strerror}", action="name another folder"
        ) from error
    return Answer(written, "\n".join(written))
