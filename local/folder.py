"""The local stack's folder: what survives from one `make run` to the next.

| file | holds |
| --- | --- |
| `store.db` | the embedded store and queue |
| `sandbox.json` | what the sandbox marketplaces were filled with, and until when |
| `secrets/`, `issuer/` | made-up credentials; the local issuer's key pair |
| `logs/` | one file a process |
| `env` | the environment of the last start, for a shell |
| `last-run.json` | the last run's document |
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
    """What the sandbox marketplaces hold; the same values give the same data."""

    orders: int
    products: int
    seed: int
    #: A folder of real data instead of generated data.
    data: str | None = None
    #: Nothing in the sandbox is newer than this.
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
        """One log file a process."""
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
            StackFailed: One is running already.
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
        """Forget everything but the lock and the logs."""
        for entry in self.path.iterdir():
            if entry.name in {"lock", "logs"}:
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def sandbox_data(self, wanted: SandboxData) -> SandboxData:
        """What the sandbox is to be filled with: as the last time, so that unchanged data stays unchanged.

        Where other data is wanted than the last time, the old store would not fit it: everything
        is forgotten first, and a line says so.
        """
        file = self.path / "sandbox.json"
        if file.exists():
            known = msgspec.json.decode(file.read_bytes(), type=SandboxData)
            if msgspec.structs.replace(known, until=wanted.until) == wanted:
                return known
            print("The sandbox is to hold other data than the last time: starting with an empty store.")
            self.reset()
        file.write_bytes(msgspec.json.encode(wanted))
        return wanted

    def secret(self, name: str, content: str) -> str:
        """Write a secret's content; returns the reference to it."""
        file = self.path / "secrets" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(content)
        return f"file:{file}"

    def scheduler_secret(self) -> str:
        """The value of `x-scheduler-secret`, made once."""
        file = self.path / "secrets" / "scheduler"
        if not file.exists():
            self.secret(file.name, secrets.token_urlsafe(32))
        return file.read_text()

    def write_environment(self, variables: Mapping[str, str]) -> None:
        """Leave the environment where a shell can read it (`set -a; . .local/env`)."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
        self.environment.touch(mode=0o600)
        self.environment.write_text("".join(lines))
