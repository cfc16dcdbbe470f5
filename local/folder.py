"""The local stack's folder: the state that `make run` keeps for its next start.

| file | content |
| --- | --- |
| `store.db` | the embedded store and queue |
| `sandbox.json` | the arguments of the sandboxes' data, with its latest time |
| `secrets/` | made-up credentials |
| `issuer/` | the local issuer's key pair |
| `logs/` | one file per process |
| `env` | the environment of the last start, for a shell |
| `last-run.json` | the last run's document |
| `lock` | the process id of the stack that uses the folder |
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from local.processes import StackFailed


class SandboxData(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments of the sandboxes' data; the same values give the same data."""

    #: Per account.
    orders: int
    #: Per account.
    products: int
    seed: int
    #: A folder of real data instead of generated data.
    data: str | None = None
    #: No data is newer than this.
    until: datetime


@dataclass(frozen=True, slots=True)
class Folder:
    """Paths below the state folder."""

    path: Path

    @property
    def store(self) -> Path:
        """The embedded store's database file."""
        return self.path / "store.db"

    @property
    def logs(self) -> Path:
        """The folder of log files, one per process."""
        return self.path / "logs"

    @property
    def issuer(self) -> Path:
        """The local issuer's key pair."""
        return self.path / "issuer"

    @property
    def last_run(self) -> Path:
        """The last run's document."""
        return self.path / "last-run.json"

    @property
    def environment(self) -> Path:
        """The last start's environment, as shell assignments."""
        return self.path / "env"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second local stack out of this folder.

        Raises:
            StackFailed: Another stack uses the folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise StackFailed(
                    f"a local stack already runs in {self.path} (process {holder}); stop it or wait"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def reset(self) -> None:
        """Remove everything but the lock and the logs."""
        for entry in self.path.iterdir():
            if entry.name in {"lock", "logs"}:
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def sandbox_data(self, wanted: SandboxData) -> SandboxData:
        """The sandboxes' data for this start.

        If the arguments are those of the last start, its `until` is kept too, so that the data stays the
        same. Otherwise the store would not fit the data: the folder is reset, and a line says so.
        """
        file = self.path / "sandbox.json"
        if file.exists():
            known = msgspec.json.decode(file.read_bytes(), type=SandboxData)
            if msgspec.structs.replace(known, until=wanted.until) == wanted:
                return known
            print("The sandboxes' data differs from the last start's: starting with an empty store.")
            self.reset()
        file.write_bytes(msgspec.json.encode(wanted))
        return wanted

    def secret(self, name: str, content: str) -> str:
        """Write a secret's content; returns its reference."""
        file = self.path / "secrets" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(content)
        return f"file:{file}"

    def scheduler_secret(self) -> str:
        """The value of `x-scheduler-secret`; the first call creates it."""
        file = self.path / "secrets" / "scheduler"
        if not file.exists():
            self.secret(file.name, secrets.token_urlsafe(32))
        return file.read_text()

    def write_environment(self, variables: Mapping[str, str]) -> None:
        """Write the environment for a shell to read: `set -a; . .local/env`."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
        self.environment.touch(mode=0o600)
        self.environment.write_text("".join(lines))
