"""Google's identity tokens: checks them, and says who is calling.

Source: https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken.
google.auth.jwt accepts ES256, ignores `crit` and `nbf`, crashes on an expiry that is no number, quotes the
token in its errors and checks the signature first, so that any token could make us fetch certificates.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Collection
from typing import TypeVar

import msgspec

from functions.auth.certificates import CertificateCache
from orchestrator.decoding import UNREADABLE
from orchestrator.errors import one_line

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
#: Seconds that the issuer's clock and ours may differ.
SKEW = 10.0
#: Characters; longer tokens are refused unread. Google's have about 1,000.
LONGEST = 8_192

#: Characters of an e-mail address (RFC 5321).
_LONGEST_EMAIL = 254

T = TypeVar("T")

_SEGMENTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class TokenInvalid(Exception):
    """The token proves nothing; the text says why and quotes none of it."""

    #: The e-mail that the token claims without proof; for the log alone.
    claimed: str = ""


class Header(msgspec.Struct, frozen=True):
    """A token's algorithm and key."""

    alg: str
    kid: str
    crit: None = None  # no critical extension is understood


class Claims(msgspec.Struct, frozen=True):
    """A token's claims; times are seconds since 1970."""

    iss: str
    aud: str
    iat: float
    exp: float
    nbf: float | None = None
    email: str = ""
    email_verified: bool = False


def verify(
    token: str, certificates: CertificateCache, audiences: Collection[str], now: Callable[[], float]
) -> Claims:
    """Check a token's form, signature, issuer, audience, times and verified e-mail.

    Args:
        token: The text behind `Bearer`.
        certificates: The issuer's keys.
        audiences: The token's audience must be one of them, letter for letter.
        now: Seconds since 1970.

    Raises:
        TokenInvalid: The token proves nothing.
        CertificatesUnavailable: The token cannot be checked now.
    """
    match = _SEGMENTS.fullmatch(token) if len(token) <= LONGEST else None
    if match is None:
        raise TokenInvalid("not three base64url segments within the length limit")
    header = _decoded(Header, match[1])
    if header.alg != "RS256":
        raise TokenInvalid("algorithm is not RS256")
    claims = _decoded(Claims, match[2])
    try:
        # The free checks come first, so a hopeless token never makes us fetch certificates.
        _check_claims(claims, audiences, now())
        _check_signature(f"{match[1]}.{match[2]}".encode(), _bytes(match[3]), header.kid, certificates)
    except TokenInvalid as error:
        error.claimed = one_line(claims.email[:_LONGEST_EMAIL])
        raise
    return claims


def _check_claims(claims: Claims, audiences: Collection[str], now: float) -> None:
    if claims.iss not in ISSUERS:
        raise TokenInvalid("issuer is not Google")
    if claims.aud not in audiences:
        raise TokenInvalid("audience is another")
    if not all(math.isfinite(time) for time in (claims.iat, claims.exp, claims.nbf or 0.0)):
        raise TokenInvalid("times are not finite")
    if now >= claims.exp + SKEW:
        raise TokenInvalid("expired")
    if now < max(claims.iat, claims.nbf or 0.0) - SKEW:
        raise TokenInvalid("not valid yet")
    if not claims.email or not claims.email_verified:
        raise TokenInvalid("no verified e-mail")


def _check_signature(signed: bytes, signature: bytes, key_id: str, certificates: CertificateCache) -> None:
    key = certificates.key(key_id)
    if key is None:
        raise TokenInvalid("key id is unknown")

    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - a cold start does not need it
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - the same

    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise TokenInvalid("signature does not match") from error


def _decoded(kind: type[T], segment: str) -> T:
    try:
        return msgspec.json.decode(_bytes(segment), type=kind)
    except msgspec.ValidationError as error:
        # It names fields and types only.
        raise TokenInvalid(f"{kind.__name__}: {error}") from None
    except UNREADABLE:
        raise TokenInvalid(f"{kind.__name__}: not JSON") from None


def _bytes(segment: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise TokenInvalid("a segment is not base64url") from None
