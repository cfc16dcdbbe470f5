"""The public keys that identity tokens are signed with, fetched seldom and kept a while.

Google's libraries fetch them at every verification, with a time-out of two minutes. Here the answer's
`Cache-Control` decides, an unknown key id asks once more, and an outage is bridged for a bounded time.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import urllib3

from orchestrator.timed_http import TimedPoolManager

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_log = logging.getLogger(__name__)

#: Seconds that an answer is used: where it does not say, and at least and at most whatever it says.
DEFAULT_AGE = 300.0
SHORTEST_AGE = 60.0
LONGEST_AGE = 21_600.0
#: Seconds that keys are still used after their time while new ones cannot be had.
STALE_AGE = 3_600.0
#: Seconds between two fetches made because of an unknown key id: anyone can make one up.
UNKNOWN_INTERVAL = 60.0
#: Seconds between two attempts while fetching fails.
FAILURE_INTERVAL = 5.0

_LARGEST = 256 * 1024
#: `read` is for the whole answer.
_TIMEOUT = urllib3.Timeout(connect=2.0, read=3.0)
_RETRIES = urllib3.Retry(total=1, backoff_factor=0.2, backoff_jitter=0.2, redirect=False)
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})")
_certificates = msgspec.json.Decoder(dict[str, str])


class CertificatesUnavailable(Exception):
    """There are no certificates that may be used, and none can be fetched."""


class _Keys(NamedTuple):
    by_id: Mapping[str, RSAPublicKey]
    fetched_at: float
    fresh_until: float


class CertificateCache:
    """Public keys by key id; safe to use from many threads, of which one refreshes.

    Args:
        url: Answers with a JSON object of key id → PEM certificate, like Google's `v1/certs`.
        monotonic: Seconds that never go back.
    """

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._monotonic = monotonic
        self._http = TimedPoolManager(num_pools=1, maxsize=1, timeout=_TIMEOUT, retries=_RETRIES)
        self._lock = threading.Lock()
        self._keys: _Keys | None = None
        self._failed_at: float | None = None

    def key(self, key_id: str) -> RSAPublicKey | None:
        """The key of that id; None where the issuer does not have it.

        Raises:
            CertificatesUnavailable: No certificates are at hand and the issuer does not answer.
        """
        keys = self._keys
        if keys is None or self._monotonic() >= keys.fresh_until:
            keys = self._refreshed(keys)
        if key_id not in keys.by_id and self._monotonic() - keys.fetched_at >= UNKNOWN_INTERVAL:
            with self._lock:
                # Another thread may have asked meanwhile, and a failed attempt is not repeated at once.
                if self._keys is keys and not self._failed_lately():
                    self._fetch()
                keys = self._keys or keys
        return keys.by_id.get(key_id)

    def _refreshed(self, seen: _Keys | None) -> _Keys:
        """Keys that may be used now, fetched by this thread or by the one that is at it."""
        # While keys are usable only one thread pays for the fetch; otherwise all have to wait for it.
        if seen is not None and self._is_usable(seen) and self._lock.locked():
            return seen
        with self._lock:
            if self._keys is seen and not self._failed_lately():
                self._fetch()
            if self._keys is None or not self._is_usable(self._keys):
                raise CertificatesUnavailable(f"no certificates from {self._url}")
            return self._keys

    def _is_usable(self, keys: _Keys) -> bool:
        return self._monotonic() < keys.fresh_until + STALE_AGE

    def _failed_lately(self) -> bool:
        return self._failed_at is not None and self._monotonic() - self._failed_at < FAILURE_INTERVAL

    def _fetch(self) -> None:
        """Replace the keys, or note that it failed; called with the lock held."""
        try:
            with self._http.request("GET", self._url, preload_content=False) as response:
                body = response.read(_LARGEST + 1)
            if response.status != 200 or len(body) > _LARGEST:
                raise CertificatesUnavailable(f"status {response.status}, {len(body)} bytes")
            by_id = {key_id: _public_key(pem) for key_id, pem in _certificates.decode(body).items()}
        except (
            urllib3.exceptions.HTTPError,
            msgspec.DecodeError,
            ValueError,
            CertificatesUnavailable,
        ) as error:
            self._failed_at = self._monotonic()
            _log.warning(
                "certificates of %s cannot be had: %s",
                self._url,
                error,
                extra={"action": "certificates_unavailable"},
            )
            return
        now = self._monotonic()
        self._failed_at = None
        self._keys = _Keys(by_id, now, now + _lifetime(response.headers))


def _lifetime(headers: Mapping[str, str]) -> float:
    """Seconds that an answer may be used: `max-age` less the `Age` it spent in other caches."""
    match = _MAX_AGE.search(headers.get("Cache-Control", "").lower())
    if match is None:
        return DEFAULT_AGE
    age = headers.get("Age", "")
    return min(max(float(match[1]) - (float(age) if age.isdecimal() else 0.0), SHORTEST_AGE), LONGEST_AGE)


def _public_key(pem: str) -> RSAPublicKey:
    from cryptography import x509  # noqa: PLC0415 - not on the way of a cold start
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - the same

    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("a certificate holds no RSA key")
    return key
