"""The public keys of identity tokens, fetched seldom and kept for a while.

Google's libraries fetch them at every verification, with a timeout of two minutes. Here the answer's
`Cache-Control` decides, an unknown key id causes one more fetch, and an outage is bridged for a bounded time.
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

from functions.problems import Unavailable
from orchestrator.timed_http import TimedPoolManager

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_log = logging.getLogger(__name__)

#: Seconds that an answer is used: if it names no age, and the least and the most that it may name.
DEFAULT_AGE = 300.0
SHORTEST_AGE = 60.0
LONGEST_AGE = 21_600.0
#: Seconds that keys are still used after their time if new ones cannot be fetched.
STALE_AGE = 3_600.0
#: Seconds between two fetches for an unknown key id: anyone can make one up.
UNKNOWN_INTERVAL = 60.0
#: Seconds between two fetches while they fail.
FAILURE_INTERVAL = 5.0

_LARGEST = 256 * 1024
#: `read` is for the whole answer.
_TIMEOUT = urllib3.Timeout(connect=2.0, read=3.0)
_RETRIES = urllib3.Retry(total=1, backoff_factor=0.2, backoff_jitter=0.2, redirect=False)
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})")
_certificates = msgspec.json.Decoder(dict[str, str])


class CertificatesUnavailable(Unavailable):
    """No usable certificate is in memory, and fetching fails.

    Args:
        reason: For the log alone.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        """The reason."""
        return self.reason


class _Keys(NamedTuple):
    by_id: Mapping[str, RSAPublicKey]
    fetched_at: float
    fresh_until: float


class CertificateCache:
    """Public keys by key id; safe for threads, one of which fetches.

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
        """The key of that id; None if the issuer does not have it.

        Raises:
            CertificatesUnavailable: The issuer does not answer, so nobody knows: there are no certificates in
                memory, or none of this id, which may be newer.
        """
        keys = self._keys
        if keys is None or self._monotonic() >= keys.fresh_until:
            keys = self._refreshed(keys)
        if key_id not in keys.by_id and self._monotonic() - keys.fetched_at >= UNKNOWN_INTERVAL:
            with self._lock:
                # Another thread may have fetched meanwhile, and a failed fetch is not repeated at once.
                if self._keys is keys and not self._failed_lately():
                    self._fetch()
                if self._keys is None or self._keys is keys:
                    raise CertificatesUnavailable(f"key id is unknown, and no certificates from {self._url}")
                keys = self._keys
        return keys.by_id.get(key_id)

    def _refreshed(self, seen: _Keys | None) -> _Keys:
        """Usable keys, fetched by this thread or by another one."""
        # While the old keys are usable, one thread fetches and no other waits; otherwise all must wait.
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
        """Replace the keys, or note the failure; called with the lock held."""
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
                "certificates of %s cannot be fetched: %s",
                self._url,
                error,
                extra={"action": "certificates_unavailable"},
            )
            return
        now = self._monotonic()
        self._failed_at = None
        self._keys = _Keys(by_id, now, now + _lifetime(response.headers))


def _lifetime(headers: Mapping[str, str]) -> float:
    """Seconds that an answer may be used: `max-age` minus the `Age` spent in other caches."""
    match = _MAX_AGE.search(headers.get("Cache-Control", "").lower())
    if match is None:
        return DEFAULT_AGE
    age = headers.get("Age", "")
    return min(max(float(match[1]) - (float(age) if age.isdecimal() else 0.0), SHORTEST_AGE), LONGEST_AGE)


def _public_key(pem: str) -> RSAPublicKey:
    from cryptography import x509  # noqa: PLC0415 - a cold start does not need it
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - the same

    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("a certificate holds no RSA key")
    return key
