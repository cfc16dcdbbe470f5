"""Settings from the environment: checked once, all faults reported together, in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.errors import SettingsInvalid
from orchestrator.settings_table import SETTINGS

#: A version of a secret in Secret Manager.
SECRET_VERSION = re.compile(
    r"projects/[^/\s]+/secrets/[\w-]{1,255}/versions/(?:latest|[1-9]\d*|[A-Za-z][\w-]{0,62})"
)
#: The worker stops this many seconds before its time is over: one page, one commit, one publish.
MARGIN_SECONDS = 30

_HOST = re.compile(r"(?:https?://)?[\w.\-\[\]:]+:\d{1,5}/?")
_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
_TOPIC = re.compile(r"pubsub:(?:projects/[^/\s]+/topics/)?[A-Za-z][\w.~+%-]{2,254}")
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z0-9][a-z0-9-]{2,61}[a-z0-9]")
_DATABASE = re.compile(r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]")
_EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
_STORE = re.compile(r"firestore|sqlite:\S.*")
_QUEUE = re.compile(rf"{_TOPIC.pattern}|local:{_URL.pattern}")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_WHERE = "Set them in the function's environment: its Terraform module's variables, or `export NAME=value`."


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


class _Reader:
    """Reads settings one by one and keeps what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def text(self, name: str) -> str:
        """The variable without surrounding space, or its default; empty where it has none."""
        return self.environ.get(name, "").strip() or SETTINGS[name].default

    def fault(self, name: str, what: str) -> None:
        """Keep what is wrong, with what the variable takes."""
        self.faults.append(f"{name} {what}; it takes {SETTINGS[name].takes}")

    def matching(self, name: str, pattern: re.Pattern[str], *, required: bool = False) -> str:
        """A variable that has to look like this, where it is given at all."""
        value = self.text(name)
        if value and not pattern.fullmatch(value):
            self.fault(name, f"is {_quoted(value)}")
        elif required and not value:
            self.fault(name, "is missing")
        return value

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """A variable with a fixed set of values."""
        value = self.text(name)
        if value not in choices:
            self.fault(name, f"is {_quoted(value)}")
        return value

    def integer(self, name: str, least: int, most: int) -> int:
        """A whole number between two bounds, both included."""
        value = self.text(name)
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            self.fault(name, f"is {_quoted(value)}")
            return int(SETTINGS[name].default or least)
        return int(value)

    def only_in_development(self, name: str, what: str) -> None:
        """Refuse what is convenient and unsafe anywhere but on a developer's machine."""
        if self.text("ENVIRONMENT") != "development" or self.environ.get("K_SERVICE"):
            self.fault(
                name, f"is {what}, which is obeyed only with ENVIRONMENT=development outside Google Cloud"
            )

    def finish(self) -> None:
        """Raise SettingsInvalid where anything was wrong."""
        if self.faults:
            message = f"settings: {'; '.join(self.faults)}. {_WHERE}"
            raise SettingsInvalid(message)


@dataclass(frozen=True, slots=True)
class Settings:
    """What every part works by. Durations are whole seconds."""

    environment: str
    #: `firestore` or `sqlite:PATH`.
    sync_store: str
    #: `pubsub:TOPIC` or `local:WORKER_URL`.
    sync_queue: str
    #: Empty where neither Firestore nor Pub/Sub is used.
    google_cloud_project: str
    firestore_database: str
    #: Empty unless Google's emulator is used.
    firestore_emulator_host: str
    pubsub_emulator_host: str
    #: How long one invocation of the worker goes on before it checkpoints and continues in another.
    slice_seconds: int
    #: How long a connection stays claimed without a sign of life.
    lease_seconds: int
    #: A run is closed this long after its start, whatever is still open.
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

    @staticmethod
    def from_environment(environ: Mapping[str, str]) -> Settings:
        """Read and check what the worker and the command line need.

        Raises:
            SettingsInvalid: One line that names every variable that is missing or wrong.
        """
        reader = _Reader(environ)
        settings = _settings(reader)
        reader.finish()
        return settings


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Who is let in; only the HTTP function needs it."""

    #: `oidc+secret`, `oidc` or `secret`.
    scheduler_auth: str
    #: What a token must be made out to, without a trailing slash.
    audience: str
    scheduler_service_account: str
    #: The secret itself, or its reference.
    scheduler_secret: Secret
    secret_is_reference: bool
    #: Empty where there is none.
    scheduler_secret_previous: Secret
    operators: frozenset[str]
    skip_scheduler_auth: bool
    certs_url: str

    @property
    def requires_token(self) -> bool:
        """Whether the scheduler must show an identity token."""
        return self.scheduler_auth != "secret"

    @property
    def requires_secret(self) -> bool:
        """Whether the scheduler must show the shared secret."""
        return self.scheduler_auth != "oidc"


def http_settings(environ: Mapping[str, str]) -> tuple[Settings, AuthSettings]:
    """Read and check what the HTTP function needs.

    Raises:
        SettingsInvalid: One line that names every variable that is missing or wrong.
    """
    reader = _Reader(environ)
    both = _settings(reader), _auth(reader)
    reader.finish()
    return both


def _settings(reader: _Reader) -> Settings:
    store = reader.matching("SYNC_STORE", _STORE)
    if store.startswith("sqlite:"):
        reader.only_in_development("SYNC_STORE", "an embedded store")
    queue = reader.matching("SYNC_QUEUE", _QUEUE, required=True)
    if queue.startswith("local:"):
        reader.only_in_development("SYNC_QUEUE", "an embedded queue")
    # Unsafe anywhere, so refused by every function and not only by the one that would obey it.
    if reader.one_of("SKIP_SCHEDULER_AUTH", ("true", "false")) == "true":
        reader.only_in_development("SKIP_SCHEDULER_AUTH", "'true'")
    if reader.text("OIDC_CERTS_URL") != SETTINGS["OIDC_CERTS_URL"].default:
        reader.only_in_development("OIDC_CERTS_URL", "another issuer's")
    settings = Settings(
        environment=reader.one_of("ENVIRONMENT", ("production", "development")),
        sync_store=store,
        sync_queue=queue,
        google_cloud_project=reader.matching(
            "GOOGLE_CLOUD_PROJECT", _PROJECT, required=store == "firestore" or queue.startswith("pubsub:")
        ),
        firestore_database=reader.matching("FIRESTORE_DATABASE", _DATABASE),
        firestore_emulator_host=reader.matching("FIRESTORE_EMULATOR_HOST", _HOST),
        pubsub_emulator_host=reader.matching("PUBSUB_EMULATOR_HOST", _HOST),
        slice_seconds=reader.integer("SLICE_SECONDS", 1, 3_600),
        lease_seconds=reader.integer("LEASE_SECONDS", 1, 86_400),
        run_seconds=reader.integer("RUN_SECONDS", 1, 604_800),
        lookback_seconds=reader.integer("LOOKBACK_SECONDS", 0, 604_800),
        max_attempts=reader.integer("MAX_ATTEMPTS", 1, 19),
        retention_days=reader.integer("RETENTION_DAYS", 2, 3_650),
        log_level=reader.one_of("LOG_LEVEL", _LEVELS),
    )
    _check_order(reader, settings)
    return settings


def _check_order(reader: _Reader, settings: Settings) -> None:
    needed = settings.slice_seconds + MARGIN_SECONDS
    if needed >= settings.lease_seconds:
        reader.fault(
            "SLICE_SECONDS", f"+ {MARGIN_SECONDS} is {needed}, LEASE_SECONDS is {settings.lease_seconds}"
        )
    # The platform's own variable; that of the HTTP function says nothing about slices.
    timeout = reader.environ.get("CLOUD_RUN_TIMEOUT_SECONDS", "")
    if not timeout.isdecimal() or int(timeout) == 0 or reader.environ.get("FUNCTION_TARGET") == "sync_api":
        return
    if needed >= int(timeout):
        reader.fault("SLICE_SECONDS", f"+ {MARGIN_SECONDS} is {needed}, the function's time-out {timeout}")
    if int(timeout) > settings.lease_seconds:
        reader.fault("LEASE_SECONDS", f"is {settings.lease_seconds}, the function's time-out {timeout}")


def _auth(reader: _Reader) -> AuthSettings:
    mode = reader.one_of("SCHEDULER_AUTH", ("oidc+secret", "oidc", "secret"))
    skip = reader.text("SKIP_SCHEDULER_AUTH") == "true"
    needs_token = not skip and mode != "secret"
    operators = frozenset(filter(None, (email.strip() for email in reader.text("OPERATORS").split(","))))
    for email in sorted(operators):
        if not _EMAIL.fullmatch(email):
            reader.fault("OPERATORS", f"holds {_quoted(email)}")
    audience = reader.matching("SCHEDULER_AUDIENCE", _URL, required=needs_token or bool(operators))
    secret, is_reference = _scheduler_secret(reader, required=not skip and mode != "oidc")
    previous = reader.text("SCHEDULER_SECRET_PREVIOUS")
    if previous and is_reference:
        reader.fault("SCHEDULER_SECRET_PREVIOUS", "is set, and SCHEDULER_SECRET is a reference")
    return AuthSettings(
        scheduler_auth=mode,
        audience=audience.rstrip("/"),
        scheduler_service_account=reader.matching("SCHEDULER_SERVICE_ACCOUNT", _EMAIL, required=needs_token),
        scheduler_secret=Secret(secret),
        secret_is_reference=is_reference,
        scheduler_secret_previous=Secret(previous),
        operators=operators,
        skip_scheduler_auth=skip,
        certs_url=reader.matching("OIDC_CERTS_URL", _URL),
    )


def _scheduler_secret(reader: _Reader, *, required: bool) -> tuple[str, bool]:
    """The secret or its reference, and which of the two it is; never quoted in a fault."""
    secret = reader.text("SCHEDULER_SECRET")
    if not secret:
        if required:
            reader.fault("SCHEDULER_SECRET", "is missing")
        return "", False
    if secret.startswith(("env:", "file:")):
        reader.only_in_development("SCHEDULER_SECRET", "a local reference")
        return secret, True
    if secret.startswith("projects/"):
        if not SECRET_VERSION.fullmatch(secret):
            reader.fault("SCHEDULER_SECRET", "is a malformed reference")
        return secret, True
    return secret, False


def _quoted(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:60] + "…")
