"""A token issuer of our own: keys, certificates over HTTP, and tokens good and bad."""

from __future__ import annotations

import base64
import functools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

AUDIENCE = "https://sync.example.test"
SCHEDULER = "scheduler@project-1.iam.gserviceaccount.com"
OPERATOR = "ana@example.test"


@functools.cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """The same key for the same name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def certificate(name: str) -> str:
    """A self-signed certificate of that key, as PEM."""
    return _self_signed(private_key(name))


@functools.cache
def elliptic_certificate() -> str:
    """A certificate that holds no RSA key."""
    return _self_signed(ec.generate_private_key(ec.SECP256R1()))


def _self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer.example.test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def claims(**changes: Any) -> dict[str, Any]:
    """The scheduler's claims; None takes a claim away."""
    now = int(time.time())
    whole = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "sub": "104",
        "azp": "104",
        "email": SCHEDULER,
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def encoded(part: object) -> str:
    """A token's segment: JSON (or these bytes) as base64url without padding."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(key: str = "first", header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A signed token; `changes` are to the claims, `header` to the header (None takes a field away)."""
    whole = {"alg": "RS256", "typ": "JWT", "kid": key, **(header or {})}
    signed = f"{encoded({k: v for k, v in whole.items() if v is not None})}.{encoded(claims(**changes))}"
    return f"{signed}.{encoded(private_key(key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class Issuer:
    """A server of certificates that counts how often it is asked."""

    def __init__(self) -> None:
        self.fetches = 0
        self.status = 200
        self.headers = {"Cache-Control": "public, max-age=21155, must-revalidate"}
        self.body = json.dumps({"first": certificate("first")}).encode()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches += 1
                self.send_response(issuer.status)
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(issuer.body)))
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/oauth2/v1/certs"

    def publish(self, *names: str) -> None:
        """Serve the certificates of these keys from now on."""
        self.body = json.dumps({name: certificate(name) for name in names}).encode()

    @contextmanager
    def serving(self) -> Iterator[Issuer]:
        """Answer until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
