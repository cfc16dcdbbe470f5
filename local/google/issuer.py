"""A local OIDC issuer in place of Google's: same claims, same form of certificates.

`GET /certs` answers like `https://www.googleapis.com/oauth2/v1/certs`: a JSON object of X.509 certificates
in PEM by key id, with `Cache-Control`. No endpoint issues tokens: a process that can read the key mints
them itself (`Issuer.mint`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

#: The issuer in Google's tokens, so that the check of those accepts these too.
ISSUER = "https://accounts.google.com"
#: Seconds that a token is valid, as with Cloud Scheduler's.
LIFETIME_S = 3600
_VALID = timedelta(days=365)
_KEY_FILE = "key.pem"
_CERTIFICATE_FILE = "certificate.pem"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key pair that signs tokens."""

    key_pem: bytes
    certificate_pem: bytes

    @classmethod
    def open(cls, directory: Path) -> Issuer:
        """Read a folder's key pair; create a new one if it is missing or expires within a day."""
        key, certificate = directory / _KEY_FILE, directory / _CERTIFICATE_FILE
        if key.exists() and certificate.exists():
            issuer = cls(key.read_bytes(), certificate.read_bytes())
            if issuer._expires_at() > datetime.now(UTC) + timedelta(days=1):
                return issuer
        issuer = cls.create()
        directory.mkdir(parents=True, exist_ok=True)
        key.touch(mode=0o600)
        key.write_bytes(issuer.key_pem)
        certificate.write_bytes(issuer.certificate_pem)
        return issuer

    @classmethod
    def create(cls) -> Issuer:
        """A new key pair with a self-signed certificate."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local issuer")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + _VALID)
            .sign(key, hashes.SHA256())
        )
        return cls(
            key_pem=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            ),
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        )

    @property
    def key_id(self) -> str:
        """The certificate's fingerprint, as Google's key ids are."""
        return x509.load_pem_x509_certificate(self.certificate_pem).fingerprint(hashes.SHA1()).hex()

    def mint(
        self,
        *,
        email: str,
        audience: str,
        claims: Mapping[str, object] | None = None,
        lifetime_s: int = LIFETIME_S,
    ) -> str:
        """A signed token like Cloud Scheduler's.

        Args:
            email: The identity.
            audience: The service that the token is for.
            claims: Replace or extend the usual claims.
            lifetime_s: Seconds until it expires.
        """
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": audience,
            "azp": "100000000000000000001",
            "sub": "100000000000000000001",
            "email": email,
            "email_verified": True,
            "iat": now,
            "exp": now + lifetime_s,
        } | dict(claims or {})
        token: bytes = jwt.encode(crypt.RSASigner.from_string(self.key_pem, self.key_id), payload)
        return token.decode()

    def certificates(self) -> dict[str, str]:
        """The body of `/certs`."""
        return {self.key_id: self.certificate_pem.decode()}

    def _expires_at(self) -> datetime:
        return x509.load_pem_x509_certificate(self.certificate_pem).not_valid_after_utc


def serve(issuer: Issuer, port: int) -> ThreadingHTTPServer:
    """A server for `/certs` on the loopback interface; the caller runs and closes it."""
    body = json.dumps(issuer.certificates()).encode()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            found = self.path == "/certs"
            answer = body if found else b'{"error": "not found"}'
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(answer)))
            if found:
                self.send_header("Cache-Control", "public, max-age=21600, must-revalidate, no-transform")
            self.end_headers()
            self.wfile.write(answer)

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Serve the certificates until stopped."""
    parser = argparse.ArgumentParser(prog="python -m local.google.issuer", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--directory", type=Path, required=True, help="folder of the key pair")
    options = parser.parse_args()
    with serve(Issuer.open(options.directory), options.port) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
