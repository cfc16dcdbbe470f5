"""The local stack's folder: the state that `make run` keeps for its next start.

| file | content |
| --- | --- |
| `store.db` | the embedded store and queue of the folder's first data set |
| `sandbox.json` | the arguments of that data set, with its latest time |
| `stores/NAME/` | both of each other data set |
| `secrets/` | the vault's two keysets, the scheduler's secret |
| `issuer/` | the local issuer's key pair |
| `logs/` | one file per process |
| `ports.json` | the port of each process |
| `env` | the environment of the last start, for a shell |
| `last-run.json` | the last run's document |
| `lock` | the process id of the stack that uses the folder |
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from local.processes import StackFailed

_SANDBOX = "sandbox.json"


class SandboxData(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments of the sandboxes' data; the same values give the same data."""

    #: Per account.
    orders: int
    #: Per account.
    products: int
    seed: int
    #: A folder of real data instead of generated data.
    data: str | None = None
    #: A hash of the real data's content, wherever its folder is.
    content: str = ""
    #: No data is newer than this.
    until: datetime

    @property
    def name(self) -> str:
        """A folder's name; the same for the same records, apart from their times."""
        source = f"seed-{self.seed}" if self.data is None else f"data-{self.content[:12]}"
        return f"orders-{self.orders}-products-{self.products}-{source}"

    def __str__(self) -> str:
        """A short description."""
        source = f"seed {self.seed}" if self.data is None else f"from {self.data}"
        return f"up to {self.orders:,} orders and {self.products:,} products per account, {source}"


@dataclass(frozen=True, slots=True)
class DataSet:
    """The sandboxes' data for a start, and the folder of the store that belongs to it."""

    data: SandboxData
    path: Path
    #: Whether the store is still empty.
    is_new: bool

    @property
    def store(self) -> Path:
        """The embedded store's database file."""
        return self.path / "store.db"

    def keep(self) -> None:
        """Note that the store in this folder belongs to this data."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / _SANDBOX
        new = file.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(self.data))
        new.replace(file)


@dataclass(frozen=True, slots=True)
class Folder:
    """Paths below the state folder."""

    path: Path

    @property
    def store(self) -> Path:
        """The database file of the embedded store of the folder's first data set."""
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
                    f"a local stack already runs in {self.path} (process {holder}); stop it, wait, "
                    f"or give this one another folder: python -m local ... --directory DIR"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def reset(self) -> None:
        """Empty the store of the folder's first data set."""
        _remove_store(self.path)

    def data_set(self, wanted: SandboxData, *, reset: bool = False) -> DataSet:
        """The sandboxes' data for this start, and its store.

        The first data set's store is in the folder itself, each other one's in a folder of its own, so that
        no change of the arguments empties a store. A known data set keeps its `until`, so that the data stays
        the same.

        Args:
            wanted: The arguments of this start.
            reset: Whether to empty the store.

        Raises:
            StackFailed: A store's `sandbox.json` cannot be read.
        """
        path = self.path
        known = _known(path)
        if known is not None and known.name != wanted.name:
            path = self.path / "stores" / wanted.name
            known = _known(path)
        if reset:
            _remove_store(path)
            known = None
        if known is None:
            return DataSet(wanted, path, is_new=True)
        return DataSet(msgspec.structs.replace(wanted, until=known.until), path, is_new=False)

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

    def vault_keysets(self) -> dict[str, str]:
        """The settings that name the vault's keysets: files, in place of two secrets of Secret Manager."""
        folder = (self.path / "secrets").absolute()
        return {
            "VAULT_KEYSET": f"file:{folder / 'vault-keyset.json'}",
            "VAULT_PUBLIC_KEYSET": f"file:{folder / 'vault-public-keyset.json'}",
        }

    def write_environment(self, variables: Mapping[str, str], *, note: str = "") -> None:
        """Write the environment for a shell to read: `set -a; . .local/env`.

        Args:
            variables: By name.
            note: A comment in the first line; none if empty.
        """
        lines = [f"# {note}\n"] if note else []
        lines += [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
        self.environment.touch(mode=0o600)
        self.environment.write_text("".join(lines))


def _known(path: Path) -> SandboxData | None:
    """The data that the store in this folder belongs to; None if there is no store."""
    file = path / _SANDBOX
    try:
        return msgspec.json.decode(file.read_bytes(), type=SandboxData)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise StackFailed(
            f"{file} does not tell which data {path / 'store.db'} belongs to ({error}); remove both"
        ) from error


def _remove_store(path: Path) -> None:
    """Remove the embedded store, queue and change feed in this folder."""
    for file in (path / _SANDBOX, *path.glob("store*.db*")):
        file.unlink(missing_ok=True)
