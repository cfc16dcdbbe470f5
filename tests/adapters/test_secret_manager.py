"""Secrets from Secret Manager, over its real protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import pytest
from google.cloud.secretmanager_v1 import types

from orchestrator import wiring
from orchestrator.adapters.google import secret_manager
from orchestrator.adapters.google.calls import retry
from orchestrator.adapters.google.secret_manager import CACHE_S, SecretManager
from orchestrator.errors import SecretMissing, SecretUnavailable
from orchestrator.settings import Settings
from tests.adapters.grpc_server import Failure, Method, serving

SECRET = "projects/p/secrets/token"
LATEST = f"{SECRET}/versions/latest"


@dataclass(slots=True)
class Service:
    """Secret Manager as far as it is used: versions counted from 1, None if disabled."""

    versions: list[bytes | None] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    now: float = 0.0
    #: Secrets that were created.
    created: list[types.CreateSecretRequest] = field(default_factory=list)

    def access(self, request: types.AccessSecretVersionRequest) -> types.AccessSecretVersionResponse:
        """Answer AccessSecretVersion."""
        self._note("access", request.name)
        secret, _, version = request.name.rpartition("/versions/")
        number = len(self.versions) if version == "latest" else int(version)
        if secret != SECRET or not 0 < number <= len(self.versions):
            raise Failure(grpc.StatusCode.NOT_FOUND, f"Secret [{request.name}] not found or has no versions.")
        data = self.versions[number - 1]
        if data is None:
            raise Failure(grpc.StatusCode.FAILED_PRECONDITION, f"{request.name} is in DISABLED state.")
        payload = types.SecretPayload(data=data)
        return types.AccessSecretVersionResponse(name=f"{SECRET}/versions/{number}", payload=payload)

    def add(self, request: types.AddSecretVersionRequest) -> types.SecretVersion:
        """Answer AddSecretVersion."""
        self._note("add", request.parent)
        if request.parent != SECRET:
            raise Failure(grpc.StatusCode.NOT_FOUND, f"Secret [{request.parent}] not found.")
        self.versions.append(request.payload.data)
        return types.SecretVersion(name=f"{SECRET}/versions/{len(self.versions)}")

    def create(self, request: types.CreateSecretRequest) -> types.Secret:
        """Answer CreateSecret."""
        name = f"{request.parent}/secrets/{request.secret_id}"
        self._note("create", name)
        if name == SECRET or request in self.created:
            raise Failure(grpc.StatusCode.ALREADY_EXISTS, f"Secret [{name}] already exists.")
        self.created.append(request)
        return types.Secret(name=name)

    def _note(self, method: str, name: str) -> None:
        self.calls.append(f"{method} {name.removeprefix(SECRET)}")
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def service() -> Service:
    """A secret with two versions."""
    return Service([b"old", b"new"])


@pytest.fixture
def retried_s() -> float:
    """How long a call is repeated; a busy machine may need seconds for the first attempt."""
    return 20.0


@pytest.fixture
def secrets(service: Service, retried_s: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretManager]:
    """The adapter, connected to the service; its time is the service's."""
    monkeypatch.setattr(secret_manager, "_RETRY", retry(total_s=retried_s))
    methods = {
        "AccessSecretVersion": Method(
            types.AccessSecretVersionRequest, types.AccessSecretVersionResponse, service.access
        ),
        "AddSecretVersion": Method(types.AddSecretVersionRequest, types.SecretVersion, service.add),
        "CreateSecret": Method(types.CreateSecretRequest, types.Secret, service.create),
    }
    with serving("google.cloud.secretmanager.v1.SecretManagerService", methods) as host:
        secrets = SecretManager(host=host, monotonic=lambda: service.now)
        yield secrets
        secrets.close()


def _unavailable() -> Failure:
    return Failure(grpc.StatusCode.UNAVAILABLE, "try again")


@pytest.mark.parametrize(
    ("reference", "content"), [(LATEST, "new"), (SECRET, "new"), (f"{SECRET}/versions/1", "old")]
)
def test_a_reference_gives_its_version(secrets: SecretManager, reference: str, content: str) -> None:
    """A reference names a version, or means the latest."""
    assert secrets.get(reference) == content


def test_what_was_read_is_kept_for_some_minutes(secrets: SecretManager, service: Service) -> None:
    """The service is asked once until the cache is over, and the new version is seen then."""
    assert [secrets.get(LATEST) for _ in range(3)] == ["new"] * 3
    service.versions.append(b"newest")
    service.now = CACHE_S - 1
    assert secrets.get(LATEST) == "new"
    service.now = CACHE_S + 1
    assert secrets.get(LATEST) == "newest"

    assert service.calls == ["access /versions/latest"] * 2


def test_fresh_asks_past_what_is_kept(secrets: SecretManager, service: Service) -> None:
    """A caller whose content was refused gets the current content, and so do all later callers."""
    secrets.get(LATEST)
    service.versions.append(b"newest")

    assert secrets.get(LATEST, fresh=True) == "newest"
    assert secrets.get(LATEST) == "newest"


@pytest.mark.parametrize(
    ("versions", "previous"),
    [
        ([b"old", b"new"], "old"),
        ([b"older", None, None, b"new"], "older"),
        ([None, b"new"], None),
        ([b"new"], None),
        ([b"too far", None, None, None, None, None, b"new"], None),
    ],
)
def test_previous_is_the_newest_enabled_version_below(
    secrets: SecretManager, service: Service, versions: list[bytes | None], previous: str | None
) -> None:
    """Disabled and destroyed versions are passed over, a few of them."""
    service.versions = versions

    assert secrets.previous(LATEST) == previous

    calls = len(service.calls)
    assert secrets.previous(LATEST) == previous
    assert len(service.calls) == calls


def test_an_added_version_is_the_latest_at_once(secrets: SecretManager, service: Service) -> None:
    """A written version is read back without a call, and the replaced one is the previous."""
    assert secrets.get(LATEST) == "new"

    secrets.add_version(LATEST, "rotated")

    assert service.versions[-1] == b"rotated"
    assert secrets.get(LATEST) == "rotated"
    assert secrets.previous(LATEST) == "new"


@pytest.mark.parametrize("retried_s", [1.0])
def test_an_outage_passes_unnoticed_while_a_value_is_kept(secrets: SecretManager, service: Service) -> None:
    """The last good value is used while the service is away, without asking again each time."""
    secrets.get(LATEST)
    service.now = CACHE_S + 1
    service.failures = [_unavailable() for _ in range(20)]

    assert secrets.get(LATEST) == "new"
    calls = len(service.calls)
    assert secrets.get(LATEST) == "new"

    assert len(service.calls) == calls


@pytest.mark.parametrize("retried_s", [1.0])
def test_an_outage_without_a_value_is_reported(secrets: SecretManager, service: Service) -> None:
    """Nobody is told a secret is missing because the service is away, and the retries end."""
    service.failures = [_unavailable() for _ in range(20)]

    with pytest.raises(SecretUnavailable, match="try again"):
        secrets.get(LATEST)

    assert 1 < len(service.calls) < 20


def test_a_short_outage_is_retried(secrets: SecretManager, service: Service) -> None:
    """One failed call is repeated."""
    service.failures = [_unavailable()]

    assert secrets.get(LATEST) == "new"


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (
            grpc.StatusCode.PERMISSION_DENIED,
            "grant this function's account roles/secretmanager.secretAccessor",
        ),
        (grpc.StatusCode.NOT_FOUND, "create the secret"),
        (grpc.StatusCode.FAILED_PRECONDITION, "enable the version"),
        (grpc.StatusCode.INVALID_ARGUMENT, "correct the reference"),
    ],
)
def test_what_the_operator_must_do_is_said(
    secrets: SecretManager, service: Service, code: grpc.StatusCode, action: str
) -> None:
    """A secret that cannot be read is named with the remedy, even when a value was kept."""
    secrets.get(LATEST)
    service.now = CACHE_S + 1
    service.failures = [Failure(code, "details of the service\nsecond line")]

    with pytest.raises(SecretMissing) as caught:
        secrets.get(LATEST)

    assert LATEST in str(caught.value)
    assert "\n" not in str(caught.value)
    assert action in caught.value.action


def test_writing_needs_its_own_permission(secrets: SecretManager, service: Service) -> None:
    """The remedy for a refused write is the role for adding versions."""
    service.failures = [Failure(grpc.StatusCode.PERMISSION_DENIED)]

    with pytest.raises(SecretMissing) as caught:
        secrets.add_version(LATEST, "rotated")

    assert "secretVersionAdder" in caught.value.action
    assert "rotated" not in f"{caught.value} {caught.value.action}"


def test_a_fixed_version_cannot_be_written(secrets: SecretManager, service: Service) -> None:
    """A new version would never be read through a reference to an old one."""
    with pytest.raises(SecretMissing, match="fixed version"):
        secrets.add_version(f"{SECRET}/versions/1", "rotated")

    assert service.calls == []


@pytest.mark.parametrize("reference", ["", "token", "projects/p", "projects/p/secrets/s/versions", "vault:x"])
def test_a_malformed_reference_is_refused(secrets: SecretManager, reference: str) -> None:
    """A text that cannot be a reference is refused without a call."""
    with pytest.raises(SecretMissing, match="is not a reference"):
        secrets.get(reference)


def test_bytes_that_are_no_text_are_not_quoted(secrets: SecretManager, service: Service) -> None:
    """A secret of the wrong kind is reported without showing any of it."""
    service.versions = [b"hidden\xff"]

    with pytest.raises(SecretMissing, match="not text") as caught:
        secrets.get(LATEST)

    assert caught.value.__cause__ is None
    assert "hidden" not in str(caught.value)


def test_a_secret_is_created_once_and_replicated_automatically(
    secrets: SecretManager, service: Service
) -> None:
    """Creating one that exists changes nothing."""
    for _ in range(2):
        secrets.create("projects/p/secrets/sync-connection-shop/versions/latest")
        secrets.create(LATEST)

    (request,) = service.created
    assert (request.parent, request.secret_id) == ("projects/p", "sync-connection-shop")
    assert "automatic" in request.secret.replication


def test_a_secret_is_created_in_the_locations_that_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of SECRET_LOCATIONS, from the command line's environment to the request."""
    made: list[SecretManager] = []

    def create(self: SecretManager, reference: str) -> None:
        made.append(self)

    monkeypatch.setattr(SecretManager, "create", create)
    settings = Settings.from_environment(
        {
            "GOOGLE_CLOUD_PROJECT": "a-project",
            "SECRET_LOCATIONS": "europe-west1,europe-west3",
            "SYNC_QUEUE": "pubsub:sync-tasks",
        }
    )
    wiring._secrets(settings).create(LATEST)

    replication = made[0]._replication
    assert "automatic" not in replication
    assert [each.location for each in replication.user_managed.replicas] == ["europe-west1", "europe-west3"]


def test_the_role_for_creating_is_named(secrets: SecretManager, service: Service) -> None:
    """It is another one than those for reading and adding versions."""
    service.failures = [Failure(grpc.StatusCode.PERMISSION_DENIED)]

    with pytest.raises(SecretMissing) as caught:
        secrets.create("projects/p/secrets/new/versions/latest")

    assert "secretmanager.secrets.create" in caught.value.action
