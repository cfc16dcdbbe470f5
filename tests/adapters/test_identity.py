"""Who the command line acts for: Google's token endpoint tells, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.oauth2 import credentials

from local.sandbox.http import Reply
from orchestrator.adapters.google import identity
from orchestrator.errors import StoreUnavailable
from tests.support.scripted import Scripted, scripted

#: An unsigned token of `{"email": "ann@example.test"}`: the library does not check what Google itself sends.
ID_TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJlbWFpbCI6ImFubkBleGFtcGxlLnRlc3QifQ.c2ln"
PERSON = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}


def log_in(path: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, str]) -> None:
    """Have these as the application default credentials."""
    file = path / "credentials.json"
    file.write_text(json.dumps(content))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "a-project")


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Google's token endpoint."""
    with scripted() as server:
        monkeypatch.setattr(credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{server.url}/token")
        yield server


def test_a_person_is_known_by_the_token_that_comes_with_a_login(
    google: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refresh token of `gcloud auth application-default login` is enough."""
    log_in(tmp_path, monkeypatch, PERSON)
    google.replies = [Reply.json(200, {"access_token": "t", "expires_in": 3600, "id_token": ID_TOKEN})]

    assert identity.caller() == "ann@example.test"


def test_credentials_that_tell_no_e_mail_are_named_by_their_kind(
    google: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login without the scope of the e-mail."""
    log_in(tmp_path, monkeypatch, PERSON)
    google.replies = [Reply.json(200, {"access_token": "t", "expires_in": 3600})]

    assert identity.caller() == "google.oauth2.credentials without an e-mail"


def test_a_login_that_was_revoked_says_what_to_do(
    google: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is done under an unknown name."""
    log_in(tmp_path, monkeypatch, PERSON)
    google.replies = [Reply.json(400, {"error": "invalid_grant", "error_description": "Bad Request"})]

    with pytest.raises(StoreUnavailable, match="does not tell who you are") as caught:
        identity.caller()
    assert caught.value.action == "log in: gcloud auth application-default login"


def test_a_service_account_is_known_without_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key names it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    email = "robot@a-project.iam.gserviceaccount.com"
    account = {"type": "service_account", "client_email": email, "private_key": key.decode()}
    log_in(tmp_path, monkeypatch, {**account, "token_uri": "http://127.0.0.1:1/"})

    assert identity.caller() == email
