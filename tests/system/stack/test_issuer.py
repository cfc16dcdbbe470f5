"""Google's own verifier accepts the local issuer's tokens."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.urllib3 import Request
from google.oauth2 import id_token

from local.google.issuer import Issuer, serve

AUDIENCE = "http://127.0.0.1:8080"
EMAIL = "scheduler@local.iam.gserviceaccount.com"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    """A fresh issuer."""
    return Issuer.open(tmp_path / "issuer")


@pytest.fixture
def certs_url(issuer: Issuer) -> Iterator[str]:
    """The URL of its certificates."""
    with serve(issuer, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/certs"
        server.shutdown()
        thread.join()


def test_googles_verifier_accepts_its_tokens(issuer: Issuer, certs_url: str) -> None:
    """A minted token passes the check of Google's library for Google's tokens."""
    token = issuer.mint(email=EMAIL, audience=AUDIENCE)
    with urllib3.PoolManager() as http:
        claims = id_token.verify_token(token, Request(http), audience=AUDIENCE, certs_url=certs_url)

    assert claims["iss"] == "https://accounts.google.com"
    assert claims["email"] == EMAIL
    assert claims["email_verified"] is True
    assert claims["exp"] - claims["iat"] == 3600


def test_another_issuers_token_is_refused(certs_url: str) -> None:
    """A token fails the check if its key is not among the certificates."""
    token = Issuer.create().mint(email=EMAIL, audience=AUDIENCE)
    with urllib3.PoolManager() as http, pytest.raises((GoogleAuthError, ValueError)):
        id_token.verify_token(token, Request(http), audience=AUDIENCE, certs_url=certs_url)


def test_certificates_may_be_cached(certs_url: str) -> None:
    """The answer's Cache-Control allows hours of reuse."""
    with urllib3.PoolManager() as http:
        answer = http.request("GET", certs_url)

    assert "max-age=21600" in answer.headers["Cache-Control"]


def test_the_key_is_kept(tmp_path: Path, issuer: Issuer) -> None:
    """A second start signs with the same key, which only its owner can read."""
    assert Issuer.open(tmp_path / "issuer") == issuer
    assert stat.S_IMODE((tmp_path / "issuer" / "key.pem").stat().st_mode) == 0o600
