"""Every setting: what it takes, its default and who needs it. `docs/settings.md` is generated from it."""

from __future__ import annotations

from typing import NamedTuple

_BOTH = "both functions, command line"
_HTTP = "HTTP function"


class Setting(NamedTuple):
    """One environment variable."""

    #: The variable's name.
    name: str
    #: What it takes, as the end of the sentence "it takes …".
    takes: str
    #: What holds where it is not set; empty where there is no default.
    default: str
    #: Who reads it.
    needed_by: str


TABLE: tuple[Setting, ...] = (
    Setting("ENVIRONMENT", "`production` or `development`", "production", _BOTH),
    Setting("SYNC_STORE", "`firestore`, or in development `sqlite:PATH`", "firestore", _BOTH),
    Setting(
        "SYNC_QUEUE",
        "`pubsub:TOPIC` (a topic's id, or `projects/P/topics/T`), or in development `local:WORKER_URL`",
        "",
        _BOTH,
    ),
    Setting("GOOGLE_CLOUD_PROJECT", "a project id (required with Firestore or Pub/Sub)", "", _BOTH),
    Setting("FIRESTORE_DATABASE", "a Firestore database id", "(default)", _BOTH),
    Setting("FIRESTORE_EMULATOR_HOST", "`host:port` of Google's Firestore emulator", "", _BOTH),
    Setting("PUBSUB_EMULATOR_HOST", "`host:port` of Google's Pub/Sub emulator", "", _BOTH),
    Setting(
        "SCHEDULER_AUTH",
        "what the scheduler must show: `oidc+secret`, `oidc` or `secret`",
        "oidc+secret",
        _HTTP,
    ),
    Setting(
        "SCHEDULER_AUDIENCE",
        "the URL that tokens are made out to, normally the function's own, `https://HOST` "
        "(required with `oidc` or OPERATORS)",
        "",
        _HTTP,
    ),
    Setting(
        "SCHEDULER_SERVICE_ACCOUNT",
        "the e-mail of the service account that Cloud Scheduler calls as (required with `oidc`)",
        "",
        _HTTP,
    ),
    Setting(
        "SCHEDULER_SECRET",
        "the value of `x-scheduler-secret`, or a reference to it: `projects/P/secrets/S/versions/latest`, "
        "in development also `env:NAME` or `file:PATH` (required with `secret`)",
        "",
        _HTTP,
    ),
    Setting(
        "SCHEDULER_SECRET_PREVIOUS",
        "the value before, still accepted during a rotation, where SCHEDULER_SECRET is a value itself",
        "",
        _HTTP,
    ),
    Setting("OPERATORS", "e-mails as they stand in their tokens, comma-separated", "", _HTTP),
    Setting(
        "SKIP_SCHEDULER_AUTH",
        "`true` (development only: the scheduler's route asks for nothing) or `false`",
        "false",
        _HTTP,
    ),
    Setting(
        "OIDC_CERTS_URL",
        "development only: the URL of a JSON object of key id → PEM certificate",
        "https://www.googleapis.com/oauth2/v1/certs",
        _HTTP,
    ),
    Setting(
        "SLICE_SECONDS",
        "whole seconds from 1, which with 30 more are below LEASE_SECONDS and the worker's time-out",
        "480",
        _BOTH,
    ),
    Setting("LEASE_SECONDS", "whole seconds, at least the worker's time-out", "600", _BOTH),
    Setting("RUN_SECONDS", "whole seconds from 1 to 604800", "3600", _BOTH),
    Setting("LOOKBACK_SECONDS", "whole seconds from 0 to 604800", "600", _BOTH),
    Setting(
        "MAX_ATTEMPTS",
        "a whole number from 1 to 19 (below the subscription's max_delivery_attempts)",
        "5",
        _BOTH,
    ),
    Setting("RETENTION_DAYS", "whole days from 2 to 3650", "30", _BOTH),
    Setting("LOG_LEVEL", "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`", "INFO", _BOTH),
)

#: The same by name.
SETTINGS: dict[str, Setting] = {setting.name: setting for setting in TABLE}
