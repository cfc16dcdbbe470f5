"""Settings: values that are accepted or refused, and the words of a refusal."""

from __future__ import annotations

import pytest

from orchestrator.errors import SettingsInvalid
from orchestrator.settings import Settings, http_settings
from orchestrator.settings_table import TABLE

CLOUD = {
    "SYNC_QUEUE": "pubsub:work",
    "GOOGLE_CLOUD_PROJECT": "project-1",
    "SCHEDULER_AUDIENCE": "https://sync.example.test/",
    "SCHEDULER_SERVICE_ACCOUNT": "scheduler@project-1.iam.gserviceaccount.com",
    "SCHEDULER_SECRET": "projects/project-1/secrets/scheduler/versions/latest",
    "K_SERVICE": "sync",
}
LOCAL = {
    "ENVIRONMENT": "development",
    "SYNC_STORE": "sqlite:.local/store.db",
    "SYNC_QUEUE": "local:http://127.0.0.1:8081",
    "SCHEDULER_SECRET": "env:SECRET",
    "SCHEDULER_AUTH": "secret",
}


def _refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsInvalid) as raised:
        http_settings(environ)
    return str(raised.value)


def test_defaults() -> None:
    """On Google Cloud little has to be said."""
    settings, auth = http_settings(CLOUD)

    assert settings.environment == "production"
    assert settings.sync_store == "firestore"
    assert settings.firestore_database == "(default)"
    assert (settings.slice_seconds, settings.lease_seconds, settings.run_seconds) == (480, 600, 3600)
    assert (settings.lookback_seconds, settings.max_attempts, settings.retention_days) == (600, 5, 30)
    assert settings.log_level == "INFO"
    assert not settings.is_development
    assert auth.requires_token
    assert auth.requires_secret
    assert auth.audience == "https://sync.example.test"
    assert auth.secret_is_reference
    assert auth.operators == frozenset()
    assert auth.certs_url == "https://www.googleapis.com/oauth2/v1/certs"


def test_development() -> None:
    """A laptop needs no project and no token."""
    settings, auth = http_settings(LOCAL)

    assert settings.is_development
    assert settings.google_cloud_project == ""
    assert not auth.requires_token
    assert auth.scheduler_service_account == ""


def test_empty_variables_count_as_unset() -> None:
    """A variable that Terraform leaves empty has its default."""
    settings = Settings.from_environment({**CLOUD, "SLICE_SECONDS": "", "LOG_LEVEL": " "})

    assert (settings.slice_seconds, settings.log_level) == (480, "INFO")


def test_leading_zeros_count_for_nothing() -> None:
    """A number is its digits, and a project id of digits alone is no number."""
    settings = Settings.from_environment(
        {**CLOUD, "SLICE_SECONDS": "0400", "GOOGLE_CLOUD_PROJECT": "0123456"}
    )

    assert (settings.slice_seconds, settings.google_cloud_project) == (400, "0123456")


def test_worker_needs_no_caller_settings() -> None:
    """Only the HTTP function asks who is let in."""
    environ = {"SYNC_QUEUE": "pubsub:projects/p-1234/topics/work", "GOOGLE_CLOUD_PROJECT": "p-1234"}

    assert Settings.from_environment(environ).sync_queue == environ["SYNC_QUEUE"]
    assert "SCHEDULER_SECRET is missing" in _refusal(environ)


@pytest.mark.parametrize(
    ("base", "name", "value"),
    [
        (CLOUD, "ENVIRONMENT", "prod"),
        (CLOUD, "SYNC_STORE", "postgres"),
        (CLOUD, "SYNC_STORE", "sqlite:store.db"),
        (LOCAL, "SYNC_STORE", "sqlite:"),
        (CLOUD, "SYNC_QUEUE", ""),
        (CLOUD, "SYNC_QUEUE", "work"),
        (CLOUD, "SYNC_QUEUE", "pubsub:"),
        (CLOUD, "SYNC_QUEUE", "pubsub:a/b"),
        (CLOUD, "SYNC_QUEUE", "local:http://127.0.0.1:8081"),
        (LOCAL, "SYNC_QUEUE", "local:127.0.0.1:8081"),
        (CLOUD, "SYNC_CHANGES", "changes"),
        (CLOUD, "SYNC_CHANGES", "local:http://127.0.0.1:8090"),
        (CLOUD, "GOOGLE_CLOUD_PROJECT", ""),
        (CLOUD, "GOOGLE_CLOUD_PROJECT", "My Project"),
        (CLOUD, "FIRESTORE_DATABASE", "my database"),
        (CLOUD, "FIRESTORE_EMULATOR_HOST", "localhost"),
        (CLOUD, "PUBSUB_EMULATOR_HOST", "localhost:port"),
        (CLOUD, "SCHEDULER_AUTH", "none"),
        (CLOUD, "SCHEDULER_AUTH", "oidc,secret"),
        (CLOUD, "SCHEDULER_AUDIENCE", ""),
        (CLOUD, "SCHEDULER_AUDIENCE", "sync.example.test"),
        (CLOUD, "SCHEDULER_SERVICE_ACCOUNT", ""),
        (CLOUD, "SCHEDULER_SERVICE_ACCOUNT", "scheduler"),
        (CLOUD, "SCHEDULER_SECRET", ""),
        (CLOUD, "SCHEDULER_SECRET", "env:SECRET"),
        (CLOUD, "SCHEDULER_SECRET", "file:/run/secret"),
        (CLOUD, "SCHEDULER_SECRET", "projects/p/secrets/s"),
        (CLOUD, "SCHEDULER_SECRET_PREVIOUS", "old"),
        (CLOUD, "OPERATORS", "ana@example.test,ben"),
        (CLOUD, "SKIP_SCHEDULER_AUTH", "true"),
        ({**LOCAL, "K_SERVICE": "sync"}, "SKIP_SCHEDULER_AUTH", "true"),
        (LOCAL, "SKIP_SCHEDULER_AUTH", "yes"),
        (CLOUD, "OIDC_CERTS_URL", "https://issuer.example.test/certs"),
        (LOCAL, "OIDC_CERTS_URL", "file:///certs"),
        (CLOUD, "SLICE_SECONDS", "0"),
        (CLOUD, "SLICE_SECONDS", "8m"),
        (CLOUD, "SLICE_SECONDS", "-1"),
        (CLOUD, "SLICE_SECONDS", "570"),
        (CLOUD, "LEASE_SECONDS", "1e3"),
        (CLOUD, "RUN_SECONDS", "\u0661"),
        (CLOUD, "LOOKBACK_SECONDS", "-5"),
        (CLOUD, "MAX_ATTEMPTS", "0"),
        (CLOUD, "MAX_ATTEMPTS", "20"),
        (CLOUD, "RETENTION_DAYS", "1"),
        (CLOUD, "LOG_LEVEL", "verbose"),
    ],
)
def test_fault_is_named(base: dict[str, str], name: str, value: str) -> None:
    """A missing or wrong variable is one line that names it, its possible values and the place to set it."""
    line = _refusal({**base, name: value})

    assert f" {name} " in line
    assert "it takes " in line
    assert "Set them in" in line
    assert "\n" not in line


def test_all_faults_are_reported_together() -> None:
    """One look at the line is enough to correct everything."""
    line = _refusal({"MAX_ATTEMPTS": "99", "LOG_LEVEL": "loud"})
    named = [
        "SYNC_QUEUE",
        "GOOGLE_CLOUD_PROJECT",
        "MAX_ATTEMPTS",
        "LOG_LEVEL",
        "SCHEDULER_AUDIENCE",
        "SCHEDULER_SECRET",
        "SCHEDULER_SERVICE_ACCOUNT",
    ]

    assert [name for name in named if f"{name} is" not in line] == []


@pytest.mark.parametrize("value", ["projects/private/secrets", "env:private", "file:/private"])
def test_fault_of_a_secret_does_not_quote_it(value: str) -> None:
    """The value of a secret is never printed."""
    assert "private" not in _refusal({**CLOUD, "SCHEDULER_SECRET": value})


@pytest.mark.parametrize(
    ("slice_seconds", "lease_seconds", "timeout", "is_right"),
    [
        ("480", "600", "540", True),
        ("509", "600", "540", True),
        ("510", "600", "540", False),
        ("480", "539", "540", False),
        ("480", "540", "540", True),
        ("569", "600", "", True),
        ("570", "600", "", False),
        ("480", "600", "0", True),
    ],
)
def test_times_are_kept_in_order(
    slice_seconds: str, lease_seconds: str, timeout: str, *, is_right: bool
) -> None:
    """Slice and margin end before the function's time-out, and that before the lease."""
    times = {
        "SLICE_SECONDS": slice_seconds,
        "LEASE_SECONDS": lease_seconds,
        "CLOUD_RUN_TIMEOUT_SECONDS": timeout,
        "FUNCTION_TARGET": "sync_worker",
    }
    if is_right:
        assert Settings.from_environment({**CLOUD, **times}).lease_seconds == int(lease_seconds)
    else:
        assert "_SECONDS" in _refusal({**CLOUD, **times})


@pytest.mark.parametrize(
    ("retention_days", "run_seconds", "is_right"),
    [
        ("2", "604800", False),
        ("7", "604800", False),
        ("8", "604800", True),
        ("2", "86400", True),
        ("2", "86401", False),
        ("2", "", True),
        ("", "604800", True),
    ],
)
def test_documents_outlive_their_run(retention_days: str, run_seconds: str, *, is_right: bool) -> None:
    """A run's tasks may not expire while it is open: it would be closed with none of them."""
    environ = {**CLOUD, "RETENTION_DAYS": retention_days, "RUN_SECONDS": run_seconds}
    if is_right:
        assert Settings.from_environment(environ).run_seconds == int(run_seconds or 3600)
        return
    refusal = _refusal(environ)

    assert f"RETENTION_DAYS is {retention_days}, and RUN_SECONDS with a day more are " in refusal
    assert "it takes whole days from 2 to 3650, and at least a day more than RUN_SECONDS" in refusal
    assert "\n" not in refusal


def test_time_out_of_the_http_function_is_another() -> None:
    """The HTTP function's own, short time-out says nothing about slices."""
    environ = {**CLOUD, "FUNCTION_TARGET": "sync_api", "CLOUD_RUN_TIMEOUT_SECONDS": "60"}

    assert Settings.from_environment(environ).slice_seconds == 480


@pytest.mark.parametrize(
    ("mode", "missing"),
    [
        ("oidc", {"SCHEDULER_AUDIENCE", "SCHEDULER_SERVICE_ACCOUNT"}),
        ("secret", {"SCHEDULER_SECRET"}),
        ("oidc+secret", {"SCHEDULER_AUDIENCE", "SCHEDULER_SERVICE_ACCOUNT", "SCHEDULER_SECRET"}),
    ],
)
def test_mode_asks_for_its_settings(mode: str, missing: set[str]) -> None:
    """Each mode needs the settings that it checks, and no more."""
    names = ("SCHEDULER_AUDIENCE", "SCHEDULER_SERVICE_ACCOUNT", "SCHEDULER_SECRET")
    environ = {name: value for name, value in CLOUD.items() if name not in names}
    line = _refusal({**environ, "SCHEDULER_AUTH": mode})

    assert {name for name in names if f"{name} is missing" in line} == missing


def test_operators_need_an_audience() -> None:
    """Operators show tokens whatever the scheduler shows."""
    assert "SCHEDULER_AUDIENCE is missing" in _refusal({**LOCAL, "OPERATORS": "ana@example.test"})


def test_skipping_needs_nothing() -> None:
    """In development the scheduler's check can be skipped, with all its settings."""
    environ = {**LOCAL, "SCHEDULER_AUTH": "", "SCHEDULER_SECRET": "", "SKIP_SCHEDULER_AUTH": "true"}
    _, auth = http_settings(environ)

    assert auth.skip_scheduler_auth


def test_table_is_complete() -> None:
    """The table that the README shows has every variable once, and its defaults are the ones that hold."""
    names = [setting.name for setting in TABLE]
    settings, auth = http_settings({**CLOUD, **{each.name: each.default for each in TABLE if each.default}})

    assert len(names) == len(set(names))
    assert repr((settings, auth)) == repr(http_settings(CLOUD))
    assert {field.upper() for field in Settings.__slots__} <= set(names)


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (CLOUD, "pubsub:work"),
        (CLOUD, "pubsub:projects/project-1/topics/work"),
        (CLOUD, "pubsub:work-dead"),
        ({**CLOUD, "SYNC_QUEUE": "pubsub:projects/project-1/topics/work"}, "pubsub:work"),
        (LOCAL, "local:http://127.0.0.1:8081/"),
    ],
)
def test_changes_are_not_told_to_the_queue(base: dict[str, str], changes: str) -> None:
    """The worker would take every event for a task, and operators every event for a dead letter."""
    assert "SYNC_CHANGES is the queue's own, SYNC_QUEUE" in _refusal({**base, "SYNC_CHANGES": changes})


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (CLOUD, ""),
        (CLOUD, "pubsub:changes"),
        (CLOUD, "pubsub:projects/another-project/topics/work"),
        (LOCAL, "local:http://127.0.0.1:8090/changes"),
    ],
)
def test_changes_are_told_to_another_topic(base: dict[str, str], changes: str) -> None:
    """A topic of the same name in another project is another one."""
    assert Settings.from_environment({**base, "SYNC_CHANGES": changes}).sync_changes == changes
