"""Every setting in one place: values, default, reader and check. `docs/settings.md` is generated from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

#: The worker stops this many seconds before its time is over: one page, one commit, one publish.
MARGIN_SECONDS = 30
_DAY_S = 86_400

_GOOGLE_CERTS = "https://www.googleapis.com/oauth2/v1/certs"
_NUMBER = re.compile(r"[0-9]{1,9}")
_URL = r"https?://[^\s/?#@]+(?:/[^\s?#]*)?"
_HOST = r"(?:https?://)?[\w.\-\[\]:]+:\d{1,5}/?"
_TOPIC = r"pubsub:(?:projects/[^/\s]+/topics/)?[A-Za-z][\w.~+%-]{2,254}"
_PROJECT = r"(?:[a-z0-9.-]+:)?[a-z0-9][a-z0-9-]{2,61}[a-z0-9]"
_LATEST = r"projects/[^/\s]+/secrets/[\w-]{1,255}/versions/latest"
_REGION = r"[a-z]+-[a-z]+\d+"
_DATABASE = r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]"
_EMAIL = r"[^@\s,]+@[^@\s,]+\.[^@\s,]+"
#: A version of a secret in Secret Manager, or a value that looks like no reference.
_VERSION_OR_VALUE = (
    r"projects/[^/\s]+/secrets/[\w-]{1,255}/versions/(?:latest|[1-9]\d*|[A-Za-z][\w-]{0,62})"
    r"|(?s:(?!projects/|env:|file:).*)"
)


@dataclass(frozen=True, slots=True)
class Variables:
    """The environment as the settings are read from it."""

    environ: Mapping[str, str]

    def text(self, name: str) -> str:
        """The variable without surrounding space, or its default; empty if it has none."""
        return self.environ.get(name, "").strip() or SETTINGS[name].default

    def number(self, name: str) -> int:
        """A whole number; the default if the variable holds anything else."""
        value = self.text(name)
        return int(value if _NUMBER.fullmatch(value) else SETTINGS[name].default)

    def asks_for(self, proof: str) -> bool:
        """Whether the scheduler must show an identity token (`oidc`), or the shared secret (`secret`)."""
        others = {"oidc", "secret"} - {proof}
        return self.text("SKIP_SCHEDULER_AUTH") != "true" and self.text("SCHEDULER_AUTH") not in others

    def secret_is_reference(self) -> bool:
        """Whether SCHEDULER_SECRET names a secret instead of being one."""
        return self.text("SCHEDULER_SECRET").startswith(("projects/", "env:", "file:"))

    def operators(self) -> frozenset[str]:
        """The e-mails of OPERATORS."""
        return frozenset(filter(None, (email.strip() for email in self.text("OPERATORS").split(","))))

    def worker_timeout(self) -> int:
        """Seconds until the platform kills the worker; 0 if unknown, and in the HTTP function."""
        value = self.environ.get("CLOUD_RUN_TIMEOUT_SECONDS", "")
        return int(value) if value.isdecimal() and self.environ.get("FUNCTION_TARGET") != "sync_api" else 0

    def faults(self, *, serves_http: bool) -> list[str]:
        """Everything that is wrong with one program's settings."""
        return [
            f"{row.name} {fault}; it takes {row.takes}"
            for row in TABLE
            if serves_http or row.needed_by != _HTTP
            for fault in row.check(self.text(row.name), self)
        ]


#: Yields the faults of a value, each as the end of the sentence "NAME …".
Check = Callable[[str, Variables], Iterator[str]]

_BOTH = "both functions, command line"
_HTTP = "HTTP function"
_COMMAND_LINE = "command line"
#: Its other values are unsafe outside development, so every program refuses them there.
_CHECKED_BY_ALL = "HTTP function (checked by all)"


class Setting(NamedTuple):
    """One environment variable."""

    name: str
    check: Check
    #: Its possible values, as the end of the sentence "it takes …".
    takes: str
    #: Its value if it is not set; empty if there is no default.
    default: str = ""
    #: The programs that read it.
    needed_by: str = _BOTH


def _matching(
    pattern: str,
    *,
    development: str = "",
    required: Callable[[Variables], object] = lambda _: False,
    is_private: bool = False,
) -> Check:
    """Take values of one pattern, and of another one in development only; a private value is not quoted."""
    everywhere, in_development = re.compile(pattern), re.compile(development)

    def check(value: str, given: Variables) -> Iterator[str]:
        if not value:
            if required(given):
                yield "is missing"
        elif everywhere.fullmatch(value):
            return
        elif not in_development.fullmatch(value):
            yield "is malformed" if is_private else f"is {value[:60]!r}"
        elif given.text("ENVIRONMENT") != "development" or given.environ.get("K_SERVICE"):
            yield "has a value that is obeyed only with ENVIRONMENT=development outside Google Cloud"

    return check


def _whole(least: int, most: int) -> Check:
    """Take a whole number between two bounds, both included."""

    def check(value: str, _given: Variables) -> Iterator[str]:
        if not _NUMBER.fullmatch(value) or not least <= int(value) <= most:
            yield f"is {value[:60]!r}"

    return check


def _slice(value: str, given: Variables) -> Iterator[str]:
    yield from _whole(1, 3_600)(value, given)
    needed = given.number("SLICE_SECONDS") + MARGIN_SECONDS
    limits = {"LEASE_SECONDS": given.number("LEASE_SECONDS"), "the worker's timeout": given.worker_timeout()}
    for name, limit in limits.items():
        if 0 < limit <= needed:
            yield f"+ {MARGIN_SECONDS} is {needed}, {name} is {limit}"


def _lease(value: str, given: Variables) -> Iterator[str]:
    yield from _whole(1, 86_400)(value, given)
    if given.number("LEASE_SECONDS") < given.worker_timeout():
        yield f"is {value}, the worker's timeout is {given.worker_timeout()}"


def _retention(value: str, given: Variables) -> Iterator[str]:
    """A run's documents outlive the run by a day at least.

    A run and its shards expire RETENTION_DAYS after the run's start, and so may the record of its first
    task. The run is open for RUN_SECONDS and two more ticks, and its messages are worked on for LEASE_SECONDS
    (at most a day) after that: an expired record would be counted again, an expired shard not at all.
    """
    yield from _whole(2, 3_650)(value, given)
    run = given.number("RUN_SECONDS")
    if given.number("RETENTION_DAYS") * _DAY_S < run + _DAY_S:
        yield f"is {value}, and RUN_SECONDS with a day more are {run + _DAY_S} seconds"


def _operators(_value: str, given: Variables) -> Iterator[str]:
    for email in sorted(given.operators()):
        if not re.fullmatch(_EMAIL, email):
            yield f"holds {email[:60]!r}"


def _previous(value: str, given: Variables) -> Iterator[str]:
    if value and given.secret_is_reference():
        yield "is set, and SCHEDULER_SECRET is a reference"


def _backfill(value: str, given: Variables) -> Iterator[str]:
    """A lane of its own: on the first lane's topic it would be none, and dead letters wait for a person."""
    yield from _matching(_TOPIC, development=rf"local:{_URL}")(value, given)
    queue, lane = (_address(name, given) for name in ("SYNC_QUEUE", "SYNC_QUEUE_BACKFILL"))
    if not value:
        return
    if value.partition(":")[0] != given.text("SYNC_QUEUE").partition(":")[0]:
        yield "is of another kind than SYNC_QUEUE"
    elif value.startswith("pubsub:") and (lane in {queue, f"{queue}-dead"} or queue == f"{lane}-dead"):
        yield "is the first lane's own, SYNC_QUEUE"


def _changes(value: str, given: Variables) -> Iterator[str]:
    """The worker takes every message of the queue's topic for a task, and dead letters wait for a person."""
    yield from _matching(_TOPIC, development=rf"local:{_URL}")(value, given)
    changes = _address("SYNC_CHANGES", given)
    for name in ("SYNC_QUEUE", "SYNC_QUEUE_BACKFILL"):
        queue = _address(name, given)
        if value and given.text(name) and changes in {queue, f"{queue}-dead"}:
            yield f"is the queue's own, {name}"


def _address(name: str, given: Variables) -> str:
    """A topic by its full name, or a URL without a trailing slash."""
    scheme, _, target = given.text(name).partition(":")
    if scheme != "pubsub":
        return target.rstrip("/")
    return target if "/" in target else f"projects/{given.text('GOOGLE_CLOUD_PROJECT')}/topics/{target}"


def _needs_project(given: Variables) -> bool:
    named = (given.text("SYNC_QUEUE"), given.text("SYNC_CHANGES"))
    return given.text("SYNC_STORE") == "firestore" or any(name.startswith("pubsub:") for name in named)


TABLE: tuple[Setting, ...] = (
    Setting(
        "ENVIRONMENT", _matching("production|development"), "`production` or `development`", "production"
    ),
    Setting(
        "SYNC_STORE",
        _matching("firestore", development=r"sqlite:\S.*"),
        "`firestore`, or in development `sqlite:PATH`",
        "firestore",
    ),
    Setting(
        "SYNC_QUEUE",
        _matching(_TOPIC, development=rf"local:{_URL}", required=lambda _: True),
        "`pubsub:TOPIC` (a topic's id, or `projects/P/topics/T`), or in development `local:WORKER_URL`",
    ),
    Setting(
        "SYNC_QUEUE_BACKFILL",
        _backfill,
        "the lane of continuations, another topic than SYNC_QUEUE: `pubsub:TOPIC`, or in development "
        "`local:WORKER_URL`; empty: one lane for all messages",
    ),
    Setting(
        "SYNC_CHANGES",
        _changes,
        "the topic that tells consumers of changed records, another one than the queue's: `pubsub:TOPIC`, "
        "or in development `local:CONSUMER_URL`; empty: nobody is told",
    ),
    Setting(
        "GOOGLE_CLOUD_PROJECT",
        _matching(_PROJECT, required=_needs_project),
        "a project id (required with Firestore or Pub/Sub)",
    ),
    Setting(
        "VAULT_KEYSET",
        _matching(_LATEST, development=r"file:\S.*"),
        "the reference of the secret with the vault's keyset, `projects/P/secrets/S/versions/latest`, in "
        "development also `file:PATH`; set for the worker alone, which alone may read it",
        needed_by="worker",
    ),
    Setting(
        "VAULT_PUBLIC_KEYSET",
        _matching(_LATEST, development=r"file:\S.*", required=lambda given: given.text("VAULT_KEYSET")),
        "the reference of the secret with the public half, of the same form (required with VAULT_KEYSET); "
        "empty: there is no vault, and new credentials become secrets of their own",
    ),
    Setting("FIRESTORE_DATABASE", _matching(_DATABASE), "a Firestore database id", "(default)"),
    Setting(
        "SECRET_LOCATIONS",
        _matching(rf"{_REGION}(?:,{_REGION})*"),
        "regions that hold the secrets which it creates, comma-separated; empty: Google chooses",
        needed_by=_COMMAND_LINE,
    ),
    Setting("FIRESTORE_EMULATOR_HOST", _matching(_HOST), "`host:port` of Google's Firestore emulator"),
    Setting("PUBSUB_EMULATOR_HOST", _matching(_HOST), "`host:port` of Google's Pub/Sub emulator"),
    Setting(
        "SCHEDULER_AUTH",
        _matching(r"oidc\+secret|oidc|secret"),
        "the scheduler's proofs: `oidc+secret`, `oidc` or `secret`",
        "oidc+secret",
        _HTTP,
    ),
    Setting(
        "SCHEDULER_AUDIENCE",
        _matching(_URL, required=lambda given: given.asks_for("oidc") or given.operators()),
        "the audience of identity tokens, normally the function's own URL, `https://HOST` "
        "(required with `oidc` or OPERATORS)",
        needed_by=_HTTP,
    ),
    Setting(
        "SCHEDULER_SERVICE_ACCOUNT",
        _matching(_EMAIL, required=lambda given: given.asks_for("oidc")),
        "the e-mail of the service account that Cloud Scheduler calls as (required with `oidc`)",
        needed_by=_HTTP,
    ),
    Setting(
        "SCHEDULER_SECRET",
        _matching(
            _VERSION_OR_VALUE,
            development="(?s:(?:env|file):.*)",
            required=lambda given: given.asks_for("secret"),
            is_private=True,
        ),
        "the value of `x-scheduler-secret`, or a reference to it: `projects/P/secrets/S/versions/latest`, "
        "in development also `env:NAME` or `file:PATH` (required with `secret`)",
        needed_by=_HTTP,
    ),
    Setting(
        "SCHEDULER_SECRET_PREVIOUS",
        _previous,
        "the former value, still accepted during a rotation; only if SCHEDULER_SECRET is a value itself",
        needed_by=_HTTP,
    ),
    Setting("OPERATORS", _operators, "e-mails, spelled as in their tokens, comma-separated", "", _HTTP),
    Setting(
        "SKIP_SCHEDULER_AUTH",
        _matching("false", development="true"),
        "`true` (development only: the scheduler's route asks for no proof) or `false`",
        "false",
        _CHECKED_BY_ALL,
    ),
    Setting(
        "OIDC_CERTS_URL",
        _matching(re.escape(_GOOGLE_CERTS), development=_URL),
        "development only: the URL of a JSON object of key id → PEM certificate",
        _GOOGLE_CERTS,
        _CHECKED_BY_ALL,
    ),
    Setting(
        "SLICE_SECONDS",
        _slice,
        "whole seconds, at least 1; SLICE_SECONDS + 30 must be below LEASE_SECONDS and the worker's timeout",
        "480",
    ),
    Setting(
        "FIRST_SLICE_SECONDS",
        _whole(1, 3_600),
        "whole seconds from 1 to 3600: the slice of a task that is not a continuation, at most "
        "SLICE_SECONDS; without SYNC_QUEUE_BACKFILL it is not used",
        "60",
    ),
    Setting("LEASE_SECONDS", _lease, "whole seconds, at least the worker's timeout", "600"),
    Setting(
        "TICK_SECONDS",
        _whole(1, 86_400),
        "the whole seconds between two ticks, from 1 to 86400: the interval of a connection without one of "
        "its own, whose data is late if it is older than three; `--interval` takes multiples of it",
        "900",
    ),
    Setting("RUN_SECONDS", _whole(1, 604_800), "whole seconds from 1 to 604800", "3600"),
    Setting("LOOKBACK_SECONDS", _whole(0, 604_800), "whole seconds from 0 to 604800", "600"),
    Setting(
        "MAX_ATTEMPTS",
        _whole(1, 19),
        "a whole number from 1 to 19 (below the subscription's max_delivery_attempts)",
        "5",
    ),
    Setting(
        "RETENTION_DAYS",
        _retention,
        "whole days from 2 to 3650, and at least a day more than RUN_SECONDS",
        "30",
    ),
    Setting(
        "LOG_LEVEL",
        _matching("DEBUG|INFO|WARNING|ERROR|CRITICAL"),
        "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`",
        "INFO",
    ),
)

#: The same by name.
SETTINGS: dict[str, Setting] = {setting.name: setting for setting in TABLE}
