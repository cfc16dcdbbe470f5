"""Secrets by reference: Secret Manager, and a developer's environment and files."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orchestrator.errors import SecretAbsent, SecretMissing, SecretUnavailable
from orchestrator.ports import SecretStore


class Secrets:
    """The SecretStore port: reads each reference from the place it names.

    Args:
        is_development: Whether `env:NAME` and `file:PATH` are obeyed.
        environ: The environment of `env:NAME`.
        locations: Regions of new secrets in Secret Manager; none: Google chooses.
        make_cloud: Makes the store of all other references, at the first of them.
    """

    def __init__(
        self,
        *,
        is_development: bool,
        environ: Mapping[str, str] = os.environ,
        locations: Sequence[str] = (),
        make_cloud: Callable[[], SecretStore] | None = None,
    ) -> None:
        self._is_development = is_development
        self._environ = environ
        # Two threads may make one each at the same moment, which is harmless.
        self._cloud = functools.cache(make_cloud or (lambda: _make_secret_manager(locations)))

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """The secret's content; a developer's references are read anew each time."""
        match self._scheme(reference):
            case "env":
                content = self._environ.get(reference.removeprefix("env:"))
            case "file":
                content = _read(_path(reference), reference)
            case _:
                return self._cloud().get(reference, fresh=fresh)
        if not content:
            kind = SecretAbsent if content is None else SecretMissing
            raise kind(
                f"secret {reference}: is not there, or empty", action="set it, or correct the reference"
            )
        return content

    def previous(self, reference: str) -> str | None:
        """The content before the latest; None if there is none."""
        match self._scheme(reference):
            case "env":
                return None
            case "file":
                return _read(_previous(_path(reference)), reference)
            case _:
                return self._cloud().previous(reference)

    def add_version(self, reference: str, content: str) -> None:
        """Store a new latest version; a file's former version is kept as `PATH.previous`."""
        match self._scheme(reference):
            case "env":
                raise SecretMissing(
                    f"secret {reference}: an environment variable cannot be written",
                    action="use a file:PATH reference for a marketplace that rotates its tokens",
                )
            case "file":
                _write(_path(reference), content, reference)
            case _:
                self._cloud().add_version(reference, content)

    def create(self, reference: str) -> None:
        """Make the secret; for a file its folder, which only its owner can open."""
        match self._scheme(reference):
            case "env":
                raise SecretMissing(
                    f"secret {reference}: an environment variable cannot be written",
                    action="use a file:PATH reference",
                )
            case "file":
                _make_folder(_path(reference).parent, reference)
            case _:
                self._cloud().create(reference)

    def _scheme(self, reference: str) -> str:
        scheme, _, _ = reference.partition(":")
        if scheme in {"env", "file"} and not self._is_development:
            raise SecretMissing(
                f"secret {reference}: is obeyed only with ENVIRONMENT=development",
                action="write projects/PROJECT/secrets/SECRET/versions/latest",
            )
        return scheme


def _make_secret_manager(locations: Sequence[str]) -> SecretStore:
    from orchestrator.adapters.google.secret_manager import SecretManager  # noqa: PLC0415 - half a second to import

    return SecretManager(locations=locations)


def _path(reference: str) -> Path:
    return Path(reference.removeprefix("file:"))


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")


def _read(path: Path, reference: str) -> str | None:
    """The file's text without the line end that editors add; None if there is no file."""
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        # Without the cause: it would quote the secret.
        raise SecretMissing(
            f"secret {reference}: is not text in UTF-8", action="write the file anew"
        ) from None
    except ValueError:
        return None  # not a path: it holds a null byte
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise SecretUnavailable(
            f"secret {reference}: {error.strerror}", action="check its permissions"
        ) from error


def _make_folder(folder: Path, reference: str) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SecretMissing(
            f"secret {reference}: its folder cannot be made: {error.strerror}",
            action="check the permissions of the folder above it",
        ) from error


def _write(path: Path, content: str, reference: str) -> None:
    before = _read(path, reference)
    try:
        if before is not None:
            _replace(_previous(path), before)
        _replace(path, content)
    except OSError as error:
        raise SecretMissing(
            f"secret {reference}: cannot be written: {error.strerror}",
            action="check the folder's permissions",
        ) from error


def _replace(path: Path, content: str) -> None:
    """Write a file at once, so that no reader sees half of it, readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
