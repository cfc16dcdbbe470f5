"""The secret store of every test that needs no real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.errors import SecretAbsent


class MemorySecrets:
    """Secrets in memory: the versions of each reference, oldest first.

    Args:
        versions: The versions by reference; a reference without versions is missing.
        default: The content of every other reference; None if every other reference is missing.
    """

    def __init__(
        self, versions: Mapping[str, Sequence[str]] | None = None, *, default: str | None = None
    ) -> None:
        self.versions = {reference: list(contents) for reference, contents in (versions or {}).items()}
        self.reads = 0
        #: Raised by every read.
        self.error: Exception | None = None
        self._default = [] if default is None else [default]

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """The latest version."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        contents = self._of(reference)
        if not contents:
            raise SecretAbsent(f"secret {reference!r}: no such secret", action="create it")
        return contents[-1]

    def previous(self, reference: str) -> str | None:
        """The version before the latest."""
        contents = self._of(reference)
        return contents[-2] if len(contents) > 1 else None

    def add_version(self, reference: str, content: str) -> None:
        """A new latest version."""
        self.versions.setdefault(reference, []).append(content)

    def create(self, reference: str) -> None:
        """A secret without versions."""
        self.versions.setdefault(reference, [])

    def _of(self, reference: str) -> list[str]:
        return self.versions.get(reference, self._default)


class RememberingSecrets(MemorySecrets):
    """Keeps read versions in memory until a `fresh` read, as Secret Manager's adapter does."""

    def __init__(self, versions: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(versions)
        #: The two latest versions as they were last read, oldest first.
        self.kept: dict[str, list[str]] = {}

    def get(self, reference: str, *, fresh: bool = False) -> str:
        """The latest version: the kept one, unless `fresh` or never read."""
        if fresh or reference not in self.kept:
            if self.error is None:
                self.kept.pop(reference, None)
            super().get(reference)
            self.kept[reference] = self._of(reference)[-2:]
        return self.kept[reference][-1]

    def previous(self, reference: str) -> str | None:
        """The version before the latest, as it was last read."""
        kept = self.kept[reference]
        return kept[-2] if len(kept) > 1 else None
