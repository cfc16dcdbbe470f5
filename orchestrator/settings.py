"""Settings from the environment: checked once, all faults reported together, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import msgspec

from orchestrator.errors import SettingsInvalid
from orchestrator.settings_table import Variables


class Secret:
    """A value that no repr, log or error shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of every program. Durations are whole seconds."""

    environment: str
    #: `firestore` or `sqlite:PATH`.
    sync_store: str
    #: `pubsub:TOPIC` or `local:WORKER_URL`.
    sync_queue: str
    #: The same for the continuations of tasks; empty if they share the lane of all other messages.
    sync_queue_backfill: str
    #: `pubsub:TOPIC` or `local:CONSUMER_URL`; empty if nobody is told of changed records.
    sync_changes: str
    #: The reference of the vault's keyset; only the worker's is set.
    vault_keyset: str
    #: The reference of its public half; empty if there is no vault.
    vault_public_keyset: str
    #: Empty if neither Firestore nor Pub/Sub is used.
    google_cloud_project: str
    firestore_database: str
    #: Regions of new secrets, separated by commas; empty if Google chooses.
    secret_locations: str
    #: Empty unless Google's emulator is used.
    firestore_emulator_host: str
    pubsub_emulator_host: str
    #: One invocation of the worker takes this long before it checkpoints and continues in another.
    slice_seconds: int
    #: The same for a task's first invocation, if continuations have a lane of their own.
    first_slice_seconds: int
    #: How long a connection stays claimed without a sign of life.
    lease_seconds: int
    #: The time between two ticks: the interval of a connection that has none of its own.
    tick_seconds: int
    #: A run is closed this long after its start, even if some of its tasks are still open.
    run_seconds: int
    #: How far before its cursor a window starts.
    lookback_seconds: int
    #: A task fails after this many attempts.
    max_attempts: int
    #: How long run, shard and task documents are kept.
    retention_days: int
    log_level: str

    @property
    def is_development(self) -> bool:
        """Whether a connection's `base_url` and references such as `env:NAME` are obeyed."""
        return self.environment == "development"

    def slice_seconds_of(self, *, is_continuation: bool) -> int:
        """The seconds of one invocation: a first slice is short if continuations have their own lane."""
        if is_continuation or not self.sync_queue_backfill:
            return self.slice_seconds
        return min(self.first_slice_seconds, self.slice_seconds)

    @staticmethod
    def from_environment(environ: Mapping[str, str]) -> Settings:
        """Read and check the settings of the worker and the command line.

        Raises:
            SettingsInvalid: One line that names every variable that is missing or wrong.
        """
        return _settings(_checked(environ, serves_http=False))


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """The HTTP function's callers and their proofs."""

    #: Whether the scheduler must show an identity token.
    requires_token: bool
    #: Whether the scheduler must show the shared secret.
    requires_secret: bool
    #: The required audience of a token, without a trailing slash.
    audience: str
    scheduler_service_account: str
    #: The secret itself, or its reference.
    scheduler_secret: Secret
    secret_is_reference: bool
    #: Empty if there is none.
    scheduler_secret_previous: Secret
    operators: frozenset[str]
    skip_scheduler_auth: bool
    certs_url: str


def http_settings(environ: Mapping[str, str]) -> tuple[Settings, AuthSettings]:
    """Read and check the settings of the HTTP function.

    Raises:
        SettingsInvalid: One line that names every variable that is missing or wrong.
    """
    variables = _checked(environ, serves_http=True)
    text = variables.text
    return _settings(variables), AuthSettings(
        requires_token=variables.asks_for("oidc"),
        requires_secret=variables.asks_for("secret"),
        audience=text("SCHEDULER_AUDIENCE").rstrip("/"),
        scheduler_service_account=text("SCHEDULER_SERVICE_ACCOUNT"),
        scheduler_secret=Secret(text("SCHEDULER_SECRET")),
        secret_is_reference=variables.secret_is_reference(),
        scheduler_secret_previous=Secret(text("SCHEDULER_SECRET_PREVIOUS")),
        operators=variables.operators(),
        skip_scheduler_auth=text("SKIP_SCHEDULER_AUTH") == "true",
        certs_url=text("OIDC_CERTS_URL"),
    )


def _checked(environ: Mapping[str, str], *, serves_http: bool) -> Variables:
    variables = Variables(environ)
    if faults := variables.faults(serves_http=serves_http):
        raise SettingsInvalid(
            f"settings: {'; '.join(faults)}. Set them in the function's environment: "
            "its Terraform module's variables, or `export NAME=value`."
        )
    return variables


def _settings(variables: Variables) -> Settings:
    values: dict[str, object] = {
        each.name: (variables.number if each.type == "int" else variables.text)(each.name.upper())
        for each in fields(Settings)
    }
    return msgspec.convert(values, Settings)
